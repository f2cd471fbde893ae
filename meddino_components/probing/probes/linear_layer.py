"""A linear layer on frozen features trained by gradient descent, as the frozen-encoder benchmark was published."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def gradient_probe_scores(
    training_features: Tensor,
    training_labels: Tensor,
    test_features: Tensor,
    *,
    n_classes: int,
    learning_rate: float = 5e-3,
    batch_size: int = 1024,
    epochs: int = 50,
    seed: int = 0,
) -> Tensor:
    """Probabilities that a linear layer gives to test samples.

    Cross-entropy for classes, binary cross-entropy for several labels. Features are standardised by the training
    samples. Learning rate, batch and epochs are the published ones; the optimiser was not published and is Adam here.
    Everything that is drawn comes from a generator of its own.

    Args:
        training_features: [M, D].
        training_labels: classes [M], or 0 and 1 [M, K].
        test_features: [N, D].
        n_classes: K.
        learning_rate: of Adam, constant.
        batch_size: training samples of a step.
        epochs: passes over the training samples.
        seed: of the first weights and of the order.

    Returns:
        [N, K]; rows sum to 1 unless there are several labels.

    Raises:
        ValueError: lengths that do not match.

    Reference: arXiv 2509.06467, 2D classification (no code was published).
    """
    if len(training_features) != len(training_labels) or not len(training_labels):
        raise ValueError(f"{len(training_features)} training features with {len(training_labels)} labels")
    std, mean = torch.std_mean(training_features.float(), dim=0, correction=0)
    std = torch.where(std <= 1e-6 * mean.abs(), torch.ones_like(std), std)
    generator = torch.Generator().manual_seed(seed)
    width = training_features.shape[1]
    # as torch.nn.Linear draws it
    weight = (torch.rand(n_classes, width, generator=generator) * 2 - 1).div_(width**0.5).to(std.device)
    parameters = [weight.requires_grad_(), torch.zeros(n_classes, device=std.device, requires_grad=True)]
    optimizer = torch.optim.Adam(parameters, lr=learning_rate)
    labels = training_labels.to(std.device)
    for _ in range(epochs):
        for rows in torch.randperm(len(labels), generator=generator).split(batch_size):
            logits = F.linear((training_features[rows].float() - mean) / std, *parameters)
            if labels.ndim == 2:
                loss = F.binary_cross_entropy_with_logits(logits, labels[rows].float())
            else:
                loss = F.cross_entropy(logits, labels[rows].long())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        logits = F.linear((test_features.float() - mean) / std, *parameters)
    return logits.sigmoid() if labels.ndim == 2 else logits.softmax(1)
