"""Scores of predicted classes, from counts that can be added up over slices or resampled.

Shapes: N samples (patches, slices), U units that are resampled as a whole (slices, slabs, patients), K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from monai.metrics import compute_roc_auc
from torch import Tensor


@dataclass(frozen=True)
class ClassCounts:
    """True positives, predicted and actual samples of each class in each unit.

    Attributes:
        hits: [..., K] samples of the class that were predicted as such.
        predicted: [..., K].
        actual: [..., K].
    """

    hits: Tensor
    predicted: Tensor
    actual: Tensor

    def total(self) -> ClassCounts:
        """[K]: over all units."""
        return ClassCounts(self.hits.sum(0), self.predicted.sum(0), self.actual.sum(0))

    def weighted(self, weights: Tensor) -> ClassCounts:
        """[R, K]: totals in which unit u counts ``weights`` [R, U] times."""
        return ClassCounts(*(weights @ counts.to(weights) for counts in (self.hits, self.predicted, self.actual)))


Score = Callable[[ClassCounts], Tensor]


def count_classes(predicted: Tensor, actual: Tensor, *, n_classes: int, units: Tensor | None = None) -> ClassCounts:
    """Count predictions by class and unit.

    Args:
        predicted: classes [N].
        actual: classes [N].
        n_classes: K.
        units: number of the unit of each sample [N], from 0; None makes one unit of all.

    Returns:
        Counts [U, K], on the CPU.

    Raises:
        ValueError: lengths differ.
    """
    if predicted.shape != actual.shape or (units is not None and units.shape != actual.shape):
        raise ValueError(f"{list(predicted.shape)} predictions for {list(actual.shape)} samples")
    predicted, actual = predicted.cpu().long(), actual.cpu().long()
    unit = torch.zeros_like(actual) if units is None else units.cpu().long()
    n_units = int(unit.max()) + 1 if len(unit) else 1

    def count(classes: Tensor, of: Tensor) -> Tensor:
        flat = torch.bincount(of * n_classes + classes, minlength=n_units * n_classes)
        return flat.view(n_units, n_classes)

    right = predicted == actual
    return ClassCounts(count(actual[right], unit[right]), count(predicted, unit), count(actual, unit))


def class_f1(counts: ClassCounts) -> Tensor:
    """F1 of each class, which is its Dice over samples: 2 hits / (predicted + actual). NaN where the class is absent.

    A class that the reference lacks does not count, whatever was predicted, as in the segmentation metrics.
    """
    f1 = 2 * counts.hits / (counts.predicted + counts.actual)
    return torch.where(counts.actual > 0, f1, torch.nan)


def macro_f1(counts: ClassCounts) -> Tensor:
    """Mean F1 over the classes present."""
    return class_f1(counts).nanmean(-1)


def organ_score(counts: ClassCounts) -> Tensor:
    """Mean F1 over the classes present but the first, which is background."""
    return class_f1(counts)[..., 1:].nanmean(-1)


def balanced_accuracy(counts: ClassCounts) -> Tensor:
    """Mean recall over the classes present."""
    recall = counts.hits / counts.actual
    return torch.where(counts.actual > 0, recall, torch.nan).nanmean(-1)


def mean_auc(scores: Tensor, labels: Tensor) -> float:
    """Area under the ROC curve, averaged over the labels that vary.

    Args:
        scores: [N, K].
        labels: 0 and 1, [N, K].

    Returns:
        NaN where no label varies.
    """
    varies = (labels > 0).any(0) & (labels == 0).any(0)
    if not bool(varies.any()):
        return float("nan")
    scores, labels = scores[:, varies].double().cpu(), (labels[:, varies] > 0).double().cpu()
    aucs = [compute_roc_auc(s[:, None], y[:, None]) for s, y in zip(scores.T, labels.T, strict=True)]
    return float(torch.tensor(aucs, dtype=torch.float64).mean())
