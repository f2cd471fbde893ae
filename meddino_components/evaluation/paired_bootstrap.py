"""How sure is a score of features, and is it sure that one set of features is better than another.

Shapes: U units, R resamples, K classes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .intervals import Interval
from .probe_metrics import ClassCounts, Score


def bootstrap(
    counts: ClassCounts, *, score: Score, n_resamples: int = 10_000, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """A score with its percentile interval; arguments as of `paired_bootstrap`.

    Raises:
        ValueError: fewer than two units.
    """
    resampled = score(counts.weighted(_weights(len(counts.actual), n_resamples, seed)))
    return _interval(float(score(counts.total())), resampled, confidence)


def paired_bootstrap(
    a: ClassCounts,
    b: ClassCounts,
    *,
    score: Score,
    n_resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The gain of a over b with its percentile interval, both resampled alike.

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
    weights = _weights(len(a.actual), n_resamples, seed)
    gain = float(score(a.total()) - score(b.total()))
    return _interval(gain, score(a.weighted(weights)) - score(b.weighted(weights)), confidence)


def _weights(n_units: int, n_resamples: int, seed: int) -> Tensor:
    """[R, U]: how often each resample draws each unit."""
    if n_units < 2:
        raise ValueError(f"{n_units} unit to resample: at least two slices or slabs are needed")
    draws = np.random.default_rng(seed).integers(n_units, size=(n_resamples, n_units))
    weights = torch.zeros(n_resamples, n_units, dtype=torch.float64)
    return weights.scatter_add_(1, torch.from_numpy(draws), torch.ones(draws.shape, dtype=torch.float64))


def _interval(value: float, resampled: Tensor, confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    # a resample without any class has no score
    finite = resampled[resampled.isfinite()].numpy()
    low, high = np.quantile(finite, (tail, 1 - tail)) if len(finite) else (float("nan"), float("nan"))
    return Interval(value, float(low), float(high))
