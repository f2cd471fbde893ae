"""Which part of a slice a crop shows."""

import numpy as np
import pytest

from meddino_components.data.crops.windows import draw_windows


def windows(n=4000, shape=(512, 512), spacing_mm=(1.0, 1.0), scale=(0.32, 1.0), seed=0):
    rng = np.random.default_rng(seed)
    return draw_windows(rng, n_crops=n, shape=shape, spacing_mm=spacing_mm, scale=scale)


def inside(drawn, shape):
    ends = drawn[:, :2] + drawn[:, 2:]
    return (drawn[:, :2] >= 0).all() and (drawn[:, 2:] >= 1).all() and (ends <= shape).all()


@pytest.mark.parametrize("scale", [(0.05, 0.32), (0.3, 0.5)])
def test_shares_of_the_area_are_even_and_aspects_log_uniform(scale):
    drawn = windows(scale=scale)
    assert inside(drawn, (512, 512))
    area = drawn[:, 2] * drawn[:, 3] / 512**2
    log_aspect = np.log(drawn[:, 3] / drawn[:, 2])
    assert area.min() > scale[0] - 0.003
    assert area.max() < scale[1] + 0.003
    assert abs(area.mean() - np.mean(scale)) < 0.01
    assert abs(area.std() - np.diff(scale)[0] / 12**0.5) < 0.005
    reach = np.log(4 / 3)
    assert np.abs(log_aspect).max() < reach + 0.01
    assert abs(log_aspect.mean()) < 0.02
    assert abs(log_aspect.std() - reach / 3**0.5) < 0.01


def test_places_are_even():
    drawn = windows(scale=(0.05, 0.32))
    for axis in range(2):
        share = drawn[:, axis] / (512 - drawn[:, 2 + axis])
        quarters = np.histogram(share, bins=4, range=(0, 1))[0]
        assert np.abs(quarters / 1000 - 1).max() < 0.1


def test_the_aspect_is_drawn_in_millimetres():
    drawn = windows(shape=(256, 512), spacing_mm=(2.0, 1.0), scale=(0.05, 0.3))
    height_mm, width_mm = 2.0 * drawn[:, 2], 1.0 * drawn[:, 3]
    log_aspect = np.log(width_mm / height_mm)
    assert np.abs(log_aspect).max() < np.log(4 / 3) + 0.03
    assert abs(log_aspect.mean()) < 0.02


def test_a_slice_too_narrow_for_any_attempt_gives_its_centre():
    drawn = windows(n=50, shape=(100, 20), scale=(0.9, 1.0))
    # width 20, and 3 / 4 as wide as high
    assert (drawn == [36, 0, 27, 20]).all()
    drawn = windows(n=50, shape=(20, 100), scale=(0.9, 1.0))
    assert (drawn == [0, 36, 20, 27]).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 3), (1, 2000)])
def test_windows_of_tiny_slices_lie_inside(shape):
    for scale in ((0.05, 0.32), (0.32, 1.0)):
        assert inside(windows(n=200, shape=shape, scale=scale), shape)


def test_the_generator_advances_alike_whatever_is_drawn():
    generators = [np.random.default_rng(1) for _ in range(2)]
    for rng, shape in zip(generators, [(512, 512), (3, 900)], strict=True):
        draw_windows(rng, n_crops=3, shape=shape, spacing_mm=(1.0, 1.0), scale=(0.05, 0.32))
    assert generators[0].random() == generators[1].random()
