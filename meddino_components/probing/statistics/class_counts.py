"""Counts of predicted and true classes by unit, which can be summed or resampled, and their scores.

Shapes: N samples (patches, slices), U units that are resampled as a whole (slices, slabs, patients), K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from monai.metrics import compute_roc_auc
from torch import Tensor


@dataclass(frozen=True)
class ClassCounts:
    """Numbers of samples of each class, for each unit or resample.

    Attributes:
        hits: samples of the class that were predicted correctly, [..., K].
        predicted: samples for which the class was predicted, [..., K].
        actual: samples of the class, [..., K].
    """

    hits: Tensor
    predicted: Tensor
    actual: Tensor

    def total(self) -> ClassCounts:
        """Sums over all units, [K]."""
        return ClassCounts(self.hits.sum(0), self.predicted.sum(0), self.actual.sum(0))

    def weighted(self, weights: Tensor) -> ClassCounts:
        """Sums in which each unit counts ``weights`` [R, U] times, [R, K]."""
        return ClassCounts(*(weights @ counts.to(weights) for counts in (self.hits, self.predicted, self.actual)))


def count_classes(predicted: Tensor, actual: Tensor, *, n_classes: int, units: Tensor | None = None) -> ClassCounts:
    """Count predictions by class and unit.

    Args:
        predicted: predicted classes [N].
        actual: true classes [N].
        n_classes: number K of classes.
        units: number of each sample's unit, from 0, [N]; None counts all samples as one unit.

    Returns:
        counts [U, K] on the CPU.

    Raises:
        ValueError: the lengths differ.
    """
    if predicted.shape != actual.shape or (units is not None and units.shape != actual.shape):
        raise ValueError(f"{list(predicted.shape)} predictions for {list(actual.shape)} samples")
    unit = torch.zeros(len(actual), dtype=torch.long) if units is None else units.cpu().long()
    tables = (F.one_hot(classes.cpu().long(), n_classes) for classes in (predicted, actual))
    return count_tables(*tables, units=unit, n_units=int(unit.max()) + 1 if len(unit) else 1)


def count_tables(predicted: Tensor, actual: Tensor, *, units: Tensor, n_units: int) -> ClassCounts:
    """Counts [U, K] of predicted and true labels, both 0 and 1 [N, K]; ``units`` [N] numbers each sample's unit."""

    def count(table: Tensor) -> Tensor:
        return torch.zeros(n_units, table.shape[1], dtype=torch.long).index_add_(0, units, table)

    return ClassCounts(count(predicted * actual), count(predicted), count(actual))


def class_f1(counts: ClassCounts) -> Tensor:
    """F1 of each class, 2 hits / (predicted + actual), which equals its Dice over samples.

    It is NaN for a class that the reference lacks, whatever was predicted, as in the segmentation metrics.
    """
    f1 = 2 * counts.hits.double() / (counts.predicted + counts.actual)
    return torch.where(counts.actual > 0, f1, torch.nan)


def class_recall(counts: ClassCounts) -> Tensor:
    """Share of each class's samples that were found, NaN for a class that the reference lacks."""
    return torch.where(counts.actual > 0, counts.hits.double() / counts.actual, torch.nan)


def organ_score(counts: ClassCounts) -> Tensor:
    """Mean F1 over the classes present, without the first one, the background."""
    return class_f1(counts)[..., 1:].nanmean(-1)


def balanced_accuracy(counts: ClassCounts) -> Tensor:
    """Mean recall over the classes present."""
    return class_recall(counts).nanmean(-1)


def mean_auc(scores: Tensor, labels: Tensor) -> float:
    """Area under the ROC curve, averaged over the labels that have examples and counterexamples.

    Args:
        scores: scores [N, K].
        labels: 0 and 1, [N, K].

    Returns:
        the mean, or NaN if there is no such label.
    """
    varies = (labels > 0).any(0) & (labels == 0).any(0)
    if not bool(varies.any()):
        return float("nan")
    scores, labels = scores[:, varies].double().cpu(), (labels[:, varies] > 0).double().cpu()
    aucs = [compute_roc_auc(s[:, None], y[:, None]) for s, y in zip(scores.T, labels.T, strict=True)]
    return float(torch.tensor(aucs, dtype=torch.float64).mean())
