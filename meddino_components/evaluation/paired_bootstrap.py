"""How sure is it that one set of features is better than another.

Shapes: U units, R resamples, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .probe_metrics import ClassCounts, Score


@dataclass(frozen=True)
class Gain:
    """Score of a minus score of b on the same units, with the bounds of its confidence interval."""

    gain: float
    low: float
    high: float
    n_units: int

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def paired_bootstrap(
    a: ClassCounts,
    b: ClassCounts,
    *,
    score: Score,
    n_resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Gain:
    """Percentile bootstrap of the gain, both resampled alike.

    Patches of a slice, and neighbouring slices, are not independent: a unit should be a slice or, better, a slab. Every
    resample draws as many units as there are, with replacement, and scores the sum of their counts.

    Args:
        a: counts [U, K] of one set of features.
        b: counts [U, K] of the other on the same samples.
        score: of summed counts.
        n_resamples: R.
        confidence: of the interval.
        seed: of a generator of its own; the global ones are not touched.

    Raises:
        ValueError: fewer than two units, or the two were not counted on the same samples.

    Reference: Efron and Tibshirani, An introduction to the bootstrap, 1993, chapter 13.
    """
    if a.actual.shape != b.actual.shape or not torch.equal(a.actual, b.actual):
        raise ValueError("a paired bootstrap needs both features' counts on the same samples")
    n_units = len(a.actual)
    if n_units < 2:
        raise ValueError(f"{n_units} unit to resample: at least two slices or slabs are needed")
    draws = np.random.default_rng(seed).integers(n_units, size=(n_resamples, n_units))
    weights = torch.zeros(n_resamples, n_units, dtype=torch.float64)
    weights.scatter_add_(1, torch.from_numpy(draws), torch.ones(draws.shape, dtype=torch.float64))
    gains = (score(a.weighted(weights)) - score(b.weighted(weights))).numpy()
    tail = (1 - confidence) / 2
    # a resample without any class has no score
    low, high = np.quantile(gains[np.isfinite(gains)], (tail, 1 - tail))
    return Gain(float(score(a.total()) - score(b.total())), float(low), float(high), n_units)
