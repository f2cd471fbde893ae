"""Mean Dice over classes, and intervals over patients."""

import numpy as np
import torch

from meddino_components.probing.statistics.dice_bootstrap import BootstrappedDice

NAN = float("nan")


def test_the_value_is_the_mean_over_classes_of_means_over_the_cases_that_show_them():
    dice = torch.tensor([[0.8, NAN, NAN], [0.6, 0.2, NAN], [0.4, 0.4, NAN]])
    found = BootstrappedDice(["a", "b", "c"], n_resamples=50).means(dice)
    assert found.shape == (51,)
    np.testing.assert_allclose(found[0], (0.6 + 0.3) / 2)


def test_cases_of_a_patient_are_drawn_together():
    dice = torch.tensor([[0.0], [0.0], [1.0], [1.0]])
    together = BootstrappedDice(["a", "a", "b", "b"], n_resamples=500)
    assert together.n_units == 2
    assert set(together.means(dice).tolist()) == {0.0, 0.5, 1.0}
    apart = BootstrappedDice(["a", "b", "c", "d"], n_resamples=500)
    assert set(apart.means(dice).tolist()) == {0.0, 0.25, 0.5, 0.75, 1.0}


def test_the_interval_of_many_cases_is_that_of_their_standard_error():
    values = torch.rand(400, 1, generator=torch.Generator().manual_seed(0))
    bootstrap = BootstrappedDice([str(k) for k in range(400)], n_resamples=4000)
    interval = bootstrap.interval(bootstrap.means(values))
    half = 1.96 * float(values.std()) / 20
    np.testing.assert_allclose([interval.low, interval.high], [values.mean() - half, values.mean() + half], atol=4e-3)


def test_one_patient_has_a_value_without_an_interval():
    bootstrap = BootstrappedDice(["a", "a"])
    interval = bootstrap.interval(bootstrap.means(torch.tensor([[0.2], [0.6]])))
    np.testing.assert_allclose(interval.value, 0.4)
    assert np.isnan([interval.low, interval.high]).all()


def test_a_resample_that_lacks_a_class_is_dropped():
    """A class of two in ten patients that is harder than the other: a mean without it would be too high."""
    dice = torch.full((10, 2), NAN)
    dice[:, 0] = torch.linspace(0.8, 0.9, 10)
    dice[:2, 1] = torch.tensor([0.1, 0.2])
    bootstrap = BootstrappedDice([str(k) for k in range(10)], n_resamples=2000)
    means = bootstrap.means(dice)
    lacking = 0.8**10
    np.testing.assert_allclose(means[1:].isnan().double().mean(), lacking, atol=0.03)
    assert float(means[1:].nan_to_num().max()) < 0.6
    np.testing.assert_allclose(means[1:].nanmean(), means[0], atol=0.005)
    interval = bootstrap.interval(means)
    assert interval.low < interval.value == float(means[0]) < interval.high
    assert bootstrap.shown_by(dice, ["often", "rare"]) == {"often": 10, "rare": 2}


def test_where_too_many_resamples_lack_a_class_there_is_no_interval():
    """Ten classes of one patient each are hardly ever drawn together; the mean of the others excluded the value."""
    dice = torch.full((30, 11), NAN)
    dice[:, 0] = 0.4 + 0.2 * torch.rand(30, generator=torch.Generator().manual_seed(0))
    dice[torch.arange(10), 1 + torch.arange(10)] = torch.linspace(0.0, 0.2, 10)
    bootstrap = BootstrappedDice([str(k) for k in range(30)])
    interval = bootstrap.interval(bootstrap.means(dice))
    np.testing.assert_allclose(interval.value, dice.nanmean(0).mean(), rtol=1e-6)
    assert not interval.has_bounds
    assert interval.text() == f"{interval.value:.3f}"
    gain = bootstrap.interval(bootstrap.means(dice) - bootstrap.means(dice / 2))
    assert gain.value > 0
    assert not gain.has_bounds


def test_a_class_of_one_patient_leaves_no_interval():
    """It has no spread to draw from."""
    dice = torch.rand(30, 2, generator=torch.Generator().manual_seed(0))
    dice[1:, 1] = NAN
    bootstrap = BootstrappedDice([str(k) for k in range(30)])
    assert not bootstrap.interval(bootstrap.means(dice)).has_bounds
    dice[1:5, 1] = 0.5
    assert bootstrap.interval(bootstrap.means(dice)).has_bounds


def test_classes_that_every_resample_shows_have_the_mean_over_all_of_them():
    dice = torch.rand(12, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    patients = [str(k // 2) for k in range(12)]
    found = BootstrappedDice(patients, n_resamples=20, seed=4).means(dice)
    draws = np.random.default_rng(4).integers(6, size=(20, 6))
    expected = [dice.view(6, 2, 3)[torch.from_numpy(drawn)].mean() for drawn in draws]
    np.testing.assert_allclose(found, [dice.mean(), *expected])
