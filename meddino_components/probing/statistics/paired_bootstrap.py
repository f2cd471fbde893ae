"""How sure is a score of features, and is it sure that one set of features is better than another.

Shapes: U units, R resamples, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .class_counts import ClassCounts, Score
from .intervals import Interval
from .resampling import percentile_interval, resampled_units


def bootstrap(
    counts: ClassCounts, *, score: Score, n_resamples: int = 10_000, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """A score with its percentile interval; arguments as of `paired_bootstrap`.

    Raises:
        ValueError: fewer than two units.
    """
    resampled = _resampled_scores(counts, score, n_resamples, seed)
    return _interval(score(counts.total()), resampled, confidence)


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
    resample draws as many units as there are, with replacement, and scores the sum of their counts. A class that a
    resample lacks has the counts of all units in it, so that every resample is a mean over the same classes. It adds no
    spread then: with classes that one or two units show, as small organs in the slabs of one scan, intervals are too
    narrow.

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
    of_a, of_b = (_resampled_scores(counts, score, n_resamples, seed) for counts in (a, b))
    return _interval(score(a.total()) - score(b.total()), of_a - of_b, confidence)


def _resampled_scores(counts: ClassCounts, score: Score, n_resamples: int, seed: int) -> Tensor:
    """[R], each a mean over the classes of all units."""
    draws = resampled_units(len(counts.actual), n_resamples=n_resamples, seed=seed)[1:]
    drawn, total = counts.weighted(draws.double()), counts.total()
    absent = drawn.actual == 0
    return score(
        ClassCounts(
            torch.where(absent, total.hits, drawn.hits),
            torch.where(absent, total.predicted, drawn.predicted),
            torch.where(absent, total.actual, drawn.actual),
        )
    )


def _interval(value: Tensor, resampled: Tensor, confidence: float) -> Interval:
    return percentile_interval(torch.cat((value[None].double(), resampled)), confidence=confidence)
