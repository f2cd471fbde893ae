"""The control that looks at the picture and does not know where organs are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from meddino_components.errors import InputError

_BINS = 256
_FACTORS = 2.0 ** np.arange(-6, 6.5, 0.5)  # by which a class's weight is multiplied in search of a better one
_SWEEPS = 8


class IntensityClassifier:
    """Per-voxel Bayes classifier on the intensity alone, tuned for Dice.

    A voxel of intensity v gets the label k with the largest ``w_k n_k(v)``, n_k(v) being the number of training voxels
    of label k in the histogram bin of v. With w = 1 that is the rule with the fewest wrong voxels, which calls nearly
    everything background; so, to be fair to it, the weights are those with the best mean Dice on the training cases,
    by coordinate ascent.

    Args:
        n_labels: background included.
    """

    def __init__(self, *, n_labels: int) -> None:
        self.n_labels = n_labels
        self.weights = np.ones(n_labels)
        self.training_dice = float("nan")
        self._edges = np.zeros(_BINS - 1)
        self._label_of_bin = np.zeros(_BINS, np.uint8)

    def fit(self, cases: Sequence[Mapping[str, Any]]) -> IntensityClassifier:
        """Count intensities and choose the weights.

        Args:
            cases: dicts with ``image`` and ``label`` [1, H, W, D], normalised as the network sees them; gone through
                twice.

        Raises:
            InputError: no case has an organ.
        """
        ranges = [r for number in range(len(cases)) if (r := _organ_range(cases[number])) is not None]
        if not ranges:
            raise InputError("the training cases have no labelled voxel: give cases whose labels hold an organ")
        low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
        self._edges = np.linspace(low, high, _BINS - 1)  # the first and the last bin are open
        counts = np.stack([self._histogram(cases[number]) for number in range(len(cases))])
        self.weights, self.training_dice = _best_weights(counts)
        self._label_of_bin = _labels_of_bins(counts.sum(axis=0), self.weights).astype(np.uint8)
        return self

    def predict(self, case: Mapping[str, Any]) -> NDArray[np.uint8]:
        """Labels [H, W, D] of ``case["image"]``; ``label`` is not read."""
        return self._label_of_bin[self._bins(case["image"])]

    def _bins(self, image: Any) -> NDArray[np.intp]:
        return np.searchsorted(self._edges, _array(image), side="right")

    def _histogram(self, case: Mapping[str, Any]) -> NDArray[np.int64]:
        """[labels, bins] voxels of a case."""
        index = _array(case["label"]).astype(np.int64) * _BINS + self._bins(case["image"])
        return np.bincount(index.ravel(), minlength=self.n_labels * _BINS).reshape(self.n_labels, _BINS)


def _organ_range(case: Mapping[str, Any]) -> tuple[float, float] | None:
    """Intensities of the organs, without the outermost 0.1 %."""
    values = _array(case["image"])[_array(case["label"]) > 0]
    if not values.size:
        return None
    low, high = np.percentile(values, (0.1, 99.9))
    return float(low), float(high)


def _best_weights(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], float]:
    """Weights of the labels with the best mean Dice over organs of ``counts`` [cases, labels, bins], and that Dice.

    The ascent ends where no single weight can be bettered; so it is run from natural priors, equal ones and between.
    """
    total = counts.sum(axis=0)
    sizes = np.maximum(total.sum(axis=1), 1)
    ends = [_ascend(counts, total, sizes**power) for power in (0.0, -0.5, -1.0)]
    return max(ends, key=lambda end: end[1])


def _ascend(
    counts: NDArray[np.int64], total: NDArray[np.int64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    best = _mean_dice(counts, total, weights)
    for _ in range(_SWEEPS):
        before = best
        for label in range(len(total)):
            trials = np.repeat(weights[None], len(_FACTORS), axis=0)
            trials[:, label] *= _FACTORS
            dice = [_mean_dice(counts, total, trial) for trial in trials]
            if max(dice) > best:
                best, weights = max(dice), trials[int(np.argmax(dice))]
        if best == before:
            break
    return weights, best


def _labels_of_bins(total: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.intp]:
    best: NDArray[np.intp] = (total * weights[:, None]).argmax(axis=0)
    return best


def _mean_dice(counts: NDArray[np.int64], total: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    """Mean over cases, then over organs, as published."""
    assigned = _labels_of_bins(total, weights) == np.arange(1, len(total))[:, None]  # [organs, bins]
    hits = (counts[:, 1:] * assigned).sum(axis=2)
    predicted = counts.sum(axis=1) @ assigned.T
    volume = counts[:, 1:].sum(axis=2)
    with np.errstate(invalid="ignore"):
        dice = np.where(volume > 0, 2 * hits / (predicted + volume), np.nan)
    present = ~np.isnan(dice)
    organs = present.any(axis=0)
    return float((np.nansum(dice, axis=0)[organs] / present.sum(axis=0)[organs]).mean()) if organs.any() else 0.0


def _array(volume: Any) -> NDArray[Any]:
    """[H, W, D] of [1, H, W, D]."""
    array: NDArray[Any] = np.asarray(torch.as_tensor(volume).detach().cpu().numpy())[0]
    return array
