"""Gated attention trained on frozen features: the probe of samples with many items, such as slices or tiles.

Shapes: N samples, n items of one of them, D width, K classes or labels.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from ...bundle.kinds import number, read_fields, whole
from ...errors import InputError
from ...networks import GatedAttention as AttentionNetwork
from ..statistics.class_counts import mean_auc
from .bags import LabelledBags
from .probe import LabelledFeatures, Probe, ProbeScores
from .standardisation import Standardisation

_WEIGHT_DECAY, _BAGS_OF_STEP = 1e-2, 8


@dataclass(frozen=True, kw_only=True)
class GatedAttention(Probe):
    """Gated attention over the items of each sample, trained on frozen features.

    The loss is cross-entropy for classes and binary cross-entropy for several labels, the optimiser AdamW. Features are
    standardised by all items of the training bags. The epoch with the best AUC on the validation bags is kept; the
    lower validation loss decides between equal AUCs, and decides alone if the validation labels give no AUC. Only the
    bags of one step are in memory. Random numbers come from a generator of the probe's own.

    Attributes:
        epochs: number of passes over the training bags.
        learning_rate: constant learning rate of AdamW.
        max_instances: largest number of items of a training bag; of a longer bag this many are drawn, anew in each
            epoch. Validation and test use all items.
        seed: seed for the initial weights, the order of bags and the items drawn.
        name: name in tables.
        device: device on which the network is trained.
        progress: whether to show a progress bar.

    Raises:
        InputError: a count below 1, or a rate of 0 or less.

    Reference: Ilse, Tomczak and Welling, arXiv 1802.04712; on slides of frozen encoders arXiv 2509.06467.
    """

    epochs: int = 50
    learning_rate: float = 5e-4
    max_instances: int = 4096
    seed: int = 0
    name: str = "attention"
    device: torch.device | str = field(default="cpu", compare=False)
    progress: bool = field(default=True, compare=False)
    reads_bags: ClassVar[bool] = True

    def __post_init__(self) -> None:
        read_fields(self, epochs=whole(1), learning_rate=number(above=0), max_instances=whole(1), seed=whole(0))

    def score(self, features: LabelledFeatures) -> ProbeScores:
        """Probabilities of the test bags, and the attention that each of their items receives.

        Raises:
            InputError: each sample is a single item.
        """
        if features.bags is None:
            raise InputError(
                "GatedAttention needs samples of several items, such as volumes or slides: remove it from probes"
            )
        bags, n_classes, device = features.bags, features.n_classes, self.device
        training, validation, test = bags["train"], bags["val"], bags["test"]
        generator = torch.Generator().manual_seed(self.seed)
        with torch.random.fork_rng(devices=[]):
            # the CPU's generator only: fork_rng does not restore those of GPUs here
            torch.default_generator.manual_seed(self.seed)
            network = AttentionNetwork(in_dim=training.width(), n_outputs=n_classes).to(device)
        standardised = Standardisation.of_parts(training.bag(number) for number in range(len(training))).to(device)
        optimizer = torch.optim.AdamW(network.parameters(), lr=self.learning_rate, weight_decay=_WEIGHT_DECAY)

        def answers(items: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
            """Logits [B, K] and attention [B, n] of B bags [n, D]."""
            instances = pad_sequence([standardised(bag.to(device)) for bag in items], batch_first=True)
            lengths = torch.tensor([len(bag) for bag in items], device=device)
            mask = torch.arange(instances.shape[1], device=device) < lengths[:, None]
            logits, attention = network(instances, mask)
            return logits, attention

        @torch.no_grad()
        def judged(part: LabelledBags) -> tuple[Tensor, list[Tensor]]:
            """Logits [N, K] and attention, a whole bag at a time."""
            found = [answers([part.bag(number)]) for number in range(len(part))]
            return torch.cat([logits for logits, _ in found]).cpu(), [attention[0].cpu() for _, attention in found]

        best, kept = (-1.0, -float("inf")), copy.deepcopy(network.state_dict())
        for _ in tqdm(range(self.epochs), desc="attention", unit="epoch", disable=not self.progress, leave=False):
            for rows in torch.randperm(len(training), generator=generator).split(_BAGS_OF_STEP):
                drawn = [
                    training.bag(int(row), _drawn(training, int(row), self.max_instances, generator)) for row in rows
                ]
                loss = _loss(answers(drawn)[0], training.targets[rows].to(device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            logits, _ = judged(validation)
            auc = mean_auc(_probabilities(logits, validation.targets), _as_table(validation.targets, n_classes))
            quality = (auc if np.isfinite(auc) else 0.0, -float(_loss(logits, validation.targets)))
            if quality > best:
                best, kept = quality, copy.deepcopy(network.state_dict())
        network.load_state_dict(kept)
        logits, attention = judged(test)
        return ProbeScores(scores=_probabilities(logits, test.targets), attention=attention)


def _drawn(bags: LabelledBags, number: int, max_instances: int, generator: torch.Generator) -> NDArray[np.int64] | None:
    """Numbers of the items of a bag that is too long, in order, as they are quicker to read."""
    length = int(bags.embeddings.lengths[bags.samples[number]])
    if length <= max_instances:
        return None
    return np.sort(torch.randperm(length, generator=generator)[:max_instances].numpy())


def _loss(logits: Tensor, targets: Tensor) -> Tensor:
    if targets.ndim == 2:
        return F.binary_cross_entropy_with_logits(logits, targets.float())
    return F.cross_entropy(logits, targets.long())


def _probabilities(logits: Tensor, targets: Tensor) -> Tensor:
    return logits.sigmoid() if targets.ndim == 2 else logits.softmax(1)


def _as_table(targets: Tensor, n_classes: int) -> Tensor:
    return targets if targets.ndim == 2 else F.one_hot(targets.long(), n_classes)
