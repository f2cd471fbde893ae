"""Changes of intensities, channel by channel."""

import pytest
import torch

from meddino_components.data import KeepBackgroundd, RandBlurd, RandGammad, RandLowResolutiond


@pytest.fixture
def image():
    return torch.randn(3, 20, 24, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("invert", [False, True])
def test_gamma_keeps_mean_and_deviation_and_bends_the_scale(image, invert):
    step = RandGammad("image", prob=1.0, gamma=[0.7, 1.5], invert=invert)
    found = step.change(image[0], 1.5)
    assert float(found.mean()) == pytest.approx(float(image[0].mean()), abs=1e-5)
    assert float(found.std()) == pytest.approx(float(image[0].std()), abs=1e-5)
    order = image[0].flatten().argsort()
    assert (found.flatten()[order].diff() >= 0).all()
    steps = found.flatten()[order].diff() / image[0].flatten()[order].diff()
    # a power above 1 spreads what is bright; inverted, what is dark
    assert bool(steps[-20:].mean() > steps[:20].mean()) is not invert


def test_a_flat_channel_stays_finite():
    flat = torch.full((8, 8), 3.0)
    for step in (
        RandGammad("image", prob=1.0, gamma=[0.7, 1.5]),
        RandBlurd("image", prob=1.0, sigma_px=[0.5, 1.0]),
        RandLowResolutiond("image", prob=1.0, zoom=[0.5, 1.0]),
    ):
        step.set_random_state(seed=0)
        found = step({"image": flat[None]})["image"]
        torch.testing.assert_close(found, flat[None], atol=1e-5, rtol=0)


def test_blur_smooths_each_axis_by_its_own_deviation():
    point = torch.zeros(21, 21)
    point[10, 10] = 1.0
    found = RandBlurd("image", prob=1.0, sigma_px=[0.5, 1.0]).change(point, 0.6, 1.0)
    assert float(found.sum()) == pytest.approx(1, abs=1e-5)
    offsets = torch.arange(21.0) - 10
    deviations = [float((found.sum(1 - axis) * offsets**2).sum().sqrt()) for axis in (0, 1)]
    assert deviations == pytest.approx([0.6, 1.0], abs=0.03)


def test_low_resolution_loses_what_is_fine(image):
    step = RandLowResolutiond("image", prob=1.0, zoom=[0.5, 1.0])
    ramp = torch.arange(24.0).expand(20, 24)
    torch.testing.assert_close(step.change(ramp, 0.5)[:, 2:-2], ramp[:, 2:-2], atol=0.6, rtol=0)
    assert step.change(image[0], 0.5).std() < 0.9 * image[0].std()


def test_the_image_that_is_given_is_not_changed(image):
    before = image.clone()
    RandGammad("image", prob=1.0, gamma=[0.7, 1.5])({"image": image})
    assert torch.equal(image, before)


def test_slices_smaller_than_the_kernel(image):
    assert RandBlurd("image", prob=1.0, sigma_px=[1.0, 1.0])({"image": image[:, :2, :1]})["image"].shape == (3, 2, 1)


def test_background_comes_back_where_all_channels_have_it(image):
    image[:, :5] = -1.0
    image[0, 7, 7] = -1.0
    gamma = RandGammad("image", prob=1.0, gamma=[0.7, 1.5])
    kept = KeepBackgroundd("image", background=-1.0, transforms=[gamma]).set_random_state(seed=0)
    found = kept({"image": image})["image"]
    assert (found[:, :5] == -1).all()
    assert found[0, 7, 7] != -1
    free = KeepBackgroundd("image", background=None, transforms=[gamma]).set_random_state(seed=0)
    assert (free({"image": image})["image"][:, :5] != -1).all()
