"""Sum over the pixels of a batch and over all processes, for losses."""

from __future__ import annotations

import torch
from torch import Tensor

from ..ignored_label import IGNORE
from ..processes import rank_and_size
from .collectives import sum_of_all


def sum_over_processes(sums: Tensor) -> Tensor:
    """Add up the sums of all processes if gradients are on; return this process's own sums if they are off.

    Gradients flow to the terms of every process: averaged over processes, as DDP does, they equal those of one process
    with the whole batch.
    """
    if rank_and_size()[1] == 1 or not torch.is_grad_enabled():
        return sums
    return sum_of_all(sums)


def known_pixels(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits [N, ...] and labels [N] without the pixels that nobody annotated (`IGNORE`)."""
    if int(labels.max()) != IGNORE:
        return logits, labels
    known = labels != IGNORE
    return logits[known], labels[known]


def soft_dice(overlap: Tensor, predicted: Tensor, expected: Tensor, smooth: float) -> Tensor:
    """Return the Dice of each class from the sums of p y, p and y."""
    return (2 * overlap + smooth) / (predicted + expected + smooth)
