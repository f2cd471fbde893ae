"""A linear layer on frozen features trained by gradient descent, as the frozen-encoder benchmark was published."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ...bundle.kinds import number, read_fields, whole
from .probe import LabelledFeatures, Probe, ProbeScores
from .standardisation import Standardisation


@dataclass(frozen=True, kw_only=True)
class LinearLayer(Probe):
    """The published linear probe: a linear layer trained on standardised features.

    The loss is cross-entropy for classes and binary cross-entropy for several labels. Learning rate, batch size and
    epochs are the published ones; the optimiser was not published, and Adam is used here. Random numbers come from a
    generator of the probe's own.

    Attributes:
        learning_rate: constant learning rate of Adam.
        batch_size: number of training samples in a step.
        epochs: number of passes over the training samples.
        seed: seed for the initial weights and the order of samples.
        name: name in tables.

    Raises:
        InputError: a rate of 0 or less, or a count below 1.

    Reference: arXiv 2509.06467, 2D classification (no code was published).
    """

    learning_rate: float = 5e-3
    batch_size: int = 1024
    epochs: int = 50
    seed: int = 0
    name: str = "linear"

    def __post_init__(self) -> None:
        read_fields(self, learning_rate=number(above=0), batch_size=whole(1), epochs=whole(1), seed=whole(0))

    def score(self, features: LabelledFeatures) -> ProbeScores:
        """Probabilities of the test samples; rows sum to 1 unless samples have several labels.

        Raises:
            ValueError: the training features and labels differ in number.
        """
        training, labels = features.vectors["train"], features.targets["train"]
        if len(training) != len(labels) or not len(labels):
            raise ValueError(f"{len(training)} training features with {len(labels)} labels")
        standardised = Standardisation.of(training.float())
        device = training.device
        generator = torch.Generator().manual_seed(self.seed)
        width = training.shape[1]
        # as torch.nn.Linear draws it
        weight = (torch.rand(features.n_classes, width, generator=generator) * 2 - 1).div_(width**0.5).to(device)
        parameters = [weight.requires_grad_(), torch.zeros(features.n_classes, device=device, requires_grad=True)]
        optimizer = torch.optim.Adam(parameters, lr=self.learning_rate)
        labels = labels.to(device)
        for _ in range(self.epochs):
            for rows in torch.randperm(len(labels), generator=generator).split(self.batch_size):
                logits = F.linear(standardised(training[rows]), *parameters)
                if labels.ndim == 2:
                    loss = F.binary_cross_entropy_with_logits(logits, labels[rows].float())
                else:
                    loss = F.cross_entropy(logits, labels[rows].long())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        with torch.no_grad():
            logits = F.linear(standardised(features.vectors["test"]), *parameters)
        return ProbeScores(scores=logits.sigmoid() if labels.ndim == 2 else logits.softmax(1))
