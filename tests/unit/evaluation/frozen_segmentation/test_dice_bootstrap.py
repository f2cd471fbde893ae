"""Mean Dice over classes, and intervals over patients."""

import numpy as np
import torch

from meddino_components.evaluation.frozen_segmentation.dice_bootstrap import BootstrappedDice

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
