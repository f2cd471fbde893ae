"""The interval of a gain whose size is known."""

import numpy as np
import pytest
import torch

from meddino_components.probing.statistics.class_counts import balanced_accuracy, count_classes, organ_score
from meddino_components.probing.statistics.paired_bootstrap import bootstrap, paired_bootstrap


def counts(accuracy, seed, n_units=20, per_unit=60):
    rng = np.random.default_rng(seed)
    actual = torch.arange(n_units * per_unit) % 2
    right = torch.from_numpy(rng.random(len(actual)) < accuracy)
    units = torch.arange(len(actual)) // per_unit
    return count_classes(torch.where(right, actual, 1 - actual), actual, n_classes=2, units=units)


def test_a_real_gain_excludes_zero():
    gain = paired_bootstrap(counts(0.8, 0), counts(0.7, 1), score=balanced_accuracy, n_resamples=2000)
    assert gain.low < 0.1 < gain.high
    assert gain.excludes_zero
    # the width that the binomial law says
    assert gain.high - gain.low == pytest.approx(2 * 1.96 * np.sqrt((0.16 + 0.21) / 1200), rel=0.35)


def test_a_score_lies_in_its_own_interval():
    score = bootstrap(counts(0.8, 0), score=balanced_accuracy, n_resamples=2000)
    assert score.value == float(balanced_accuracy(counts(0.8, 0).total()))
    assert score.high - score.low == pytest.approx(2 * 1.96 * np.sqrt(0.16 / 1200), rel=0.35)
    assert score.low < 0.8 < score.high


def test_no_gain_covers_zero_about_as_often_as_it_should():
    intervals = [
        paired_bootstrap(counts(0.7, s), counts(0.7, 1000 + s), score=balanced_accuracy, n_resamples=400)
        for s in range(60)
    ]
    assert sum(not gain.excludes_zero for gain in intervals) >= 50


def test_is_paired_and_repeatable():
    """The same predictions have no gain at all, whatever is drawn."""
    same = paired_bootstrap(counts(0.7, 0), counts(0.7, 0), score=balanced_accuracy, n_resamples=100)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    a, b = counts(0.8, 0), counts(0.7, 1)
    state = torch.get_rng_state()
    assert paired_bootstrap(a, b, score=balanced_accuracy) == paired_bootstrap(a, b, score=balanced_accuracy)
    assert torch.equal(torch.get_rng_state(), state)


def test_every_resample_is_a_mean_over_the_same_classes():
    """Found always, but for rare classes, without which a resample would score 1."""
    actual = torch.zeros(20, 10, dtype=torch.long)
    actual[:, 5:] = 1
    units = torch.arange(20).repeat_interleave(10)
    one_rare = actual.clone()
    one_rare[:3, 9] = 2
    counted = [
        count_classes(torch.where(found, one_rare, 0).flatten(), one_rare.flatten(), n_classes=3, units=units)
        for found in (one_rare < 2, torch.zeros_like(one_rare).bool())
    ]
    # 4 in 100 resamples lack the rare class
    score = bootstrap(counted[0], score=organ_score, n_resamples=1000)
    assert (score.value, score.low, score.high) == (0.5, 0.5, 0.5)
    gain = paired_bootstrap(*counted, score=organ_score, n_resamples=1000)
    assert (gain.value, gain.low, gain.high) == (0.5, 0.5, 0.5)
    many = actual.clone()
    many[torch.arange(8), 9] = 2 + torch.arange(8)
    score = bootstrap(
        count_classes(actual.flatten(), many.flatten(), n_classes=10, units=units), score=organ_score, n_resamples=1000
    )
    assert 0 < score.value < 0.2
    assert score.low <= score.value <= score.high < 0.2


def test_what_cannot_be_resampled():
    with pytest.raises(ValueError, match="at least two"):
        paired_bootstrap(counts(0.7, 0, n_units=1), counts(0.7, 1, n_units=1), score=balanced_accuracy)
    with pytest.raises(ValueError, match="same samples"):
        paired_bootstrap(counts(0.7, 0, n_units=3), counts(0.7, 1, n_units=4), score=balanced_accuracy)
