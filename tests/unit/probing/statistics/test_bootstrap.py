"""Draws of the bootstrap and their percentiles."""

import numpy as np
import pytest
import torch

from meddino_components.errors import InputError
from meddino_components.probing import Bootstrap
from meddino_components.probing.statistics.bootstrap import mean_over_classes, percentile_interval, resampled_units


def test_the_first_row_counts_everything_once_and_the_others_as_often_as_drawn():
    state = torch.random.get_rng_state()
    counts = resampled_units(7, n_resamples=4000, seed=3)
    assert counts.shape == (4001, 7)
    assert counts[0].tolist() == [1] * 7
    assert (counts.sum(1) == 7).all()
    # binomial: mean 1, variance 6 / 7
    np.testing.assert_allclose(counts[1:].mean(0), 1, atol=0.05)
    np.testing.assert_allclose(counts[1:].var(0), 6 / 7, atol=0.08)
    assert torch.equal(counts, resampled_units(7, n_resamples=4000, seed=3))
    assert not torch.equal(counts, resampled_units(7, n_resamples=4000, seed=4))
    assert torch.equal(state, torch.random.get_rng_state())


def test_one_unit_cannot_be_resampled():
    with pytest.raises(InputError, match="at least two patients"):
        resampled_units(1, n_resamples=10, seed=0)


def test_percentiles_of_the_resamples_with_the_value_of_the_first_row():
    values = torch.cat((torch.tensor([40.0]), torch.arange(101.0), torch.tensor([torch.nan])))
    interval = percentile_interval(values, confidence=0.9)
    assert (interval.value, interval.low, interval.high) == pytest.approx((40, 5, 95))
    alone = percentile_interval(torch.tensor([0.5]))
    assert alone.value == 0.5
    assert np.isnan([alone.low, alone.high]).all()


def test_three_quarters_of_the_resamples_give_an_interval_and_fewer_do_not():
    values = torch.cat((torch.tensor([2.0]), torch.arange(9.0), torch.full((3,), torch.nan)))
    assert percentile_interval(values).has_bounds
    values[1] = torch.nan
    found = percentile_interval(values)
    assert found.value == 2
    assert not found.has_bounds


def test_a_mean_is_over_the_classes_of_the_first_row_or_missing():
    nan = float("nan")
    rows = torch.tensor([[0.2, 0.4, nan], [0.1, nan, nan], [0.3, 0.5, nan], [torch.inf, 0.5, nan]])
    np.testing.assert_allclose(mean_over_classes(rows), [0.3, nan, 0.4, nan])
    assert mean_over_classes(torch.full((2, 3), nan)).isnan().all()


def test_units_that_show_a_class():
    shown = torch.tensor([[True, False], [True, False], [True, True]])
    resamples = Bootstrap(n_resamples=10).resample(torch.tensor([0, 0, 4]))
    assert resamples.n_units == 2
    assert resamples.shown_by(shown, ["often", "rare"]) == {"often": 2, "rare": 1}


def test_units_may_have_any_numbers_and_the_seed_decides():
    units = torch.tensor([7, 3, 7, 90])
    first, again, other = (Bootstrap(n_resamples=20, seed=seed).resample(units) for seed in (1, 1, 2))
    assert first.units.tolist() == [1, 0, 1, 2]
    assert first.weights.shape == (21, 3)
    assert torch.equal(first.weights, again.weights)
    assert not torch.equal(first.weights, other.weights)


def test_one_unit_and_no_resample_give_values_without_an_interval():
    for bootstrap, units in ((Bootstrap(), [4, 4]), (Bootstrap(n_resamples=0), [0, 1])):
        resamples = bootstrap.resample(torch.tensor(units))
        assert resamples.weights.tolist() == [[1.0] * resamples.n_units]
        interval = percentile_interval(torch.tensor([0.25]))
        assert (interval.value, interval.has_bounds) == (0.25, False)
    with pytest.raises(InputError, match="0 unit to resample"):
        Bootstrap().resample(torch.zeros(0))


def test_settings_that_are_refused():
    with pytest.raises(InputError, match="n_resamples of Bootstrap is -1; expected a whole number of at least 0"):
        Bootstrap(n_resamples=-1)
