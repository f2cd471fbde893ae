"""Random changes of crops, drawn as plain numbers; formulas against MONAI's."""

import numpy as np
import pytest
import torch
from monai.transforms import AdjustContrast
from torch.testing import assert_close

from meddino_components.data.crops.distortions import CropDistortions, adjust_contrast, distort_, draw_noise

KINDS = ("noise", "smooth", "scale", "low_resolution", "contrast")


def only(*kinds, **settings):
    return CropDistortions(**{f"{kind}_probability": float(kind in kinds) for kind in KINDS} | settings)


def draw(distortions, n=4, seed=0):
    return distortions.draw(np.random.default_rng(seed), n)


def crops(n=4, size=24):
    return torch.randn(n, size, size, generator=torch.Generator().manual_seed(3))


def distorted(images, drawn):
    return distort_(images.clone(), drawn, draw_noise(drawn, images.shape[-1]))


def test_how_often_and_how_strongly():
    n = 20000
    drawn = draw(CropDistortions(), n)
    happens = {
        "noise": drawn.noise_std > 0,
        "smooth": ~np.isnan(drawn.sigmas[:, 0]),
        "scale": ~np.isnan(drawn.factors),
        "low_resolution": ~np.isnan(drawn.zooms),
        "contrast": ~np.isnan(drawn.gammas),
    }
    expected = {"noise": 0.1, "smooth": 0.2, "scale": 0.15, "low_resolution": 0.25, "contrast": 0.1}
    for kind, share in expected.items():
        assert abs(happens[kind].mean() - share) < 0.012, kind
    ranges = [(drawn.sigmas, 0.5, 1), (drawn.factors, 0.75, 1.25), (drawn.zooms, 0.5, 1), (drawn.gammas, 0.7, 1.5)]
    ranges.append((drawn.noise_std[drawn.noise_std > 0], 0, 0.3))
    for values, low, high in ranges:
        values = values[~np.isnan(values)]
        assert low <= values.min() < values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < 0.02 * (high - low)
    # rows and columns are smoothed apart, and nothing hangs together
    assert abs(np.corrcoef(drawn.sigmas[happens["smooth"]].T)[0, 1]) < 0.05
    assert abs(np.corrcoef(happens["noise"], happens["smooth"])[0, 1]) < 0.03


def test_nothing_drawn_changes_nothing():
    assert torch.equal(distorted(crops(), draw(only())), crops())


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_crops_drawn_change(kind):
    drawn = draw(only(kind, **{f"{kind}_probability": 0.5}), n=6)
    after, before = distorted(crops(6), drawn), crops(6)
    changed = (after != before).flatten(1).any(1)
    assert 0 < changed.sum() < 6
    alone = [distorted(before[k : k + 1], type(drawn)(*(field[k : k + 1] for field in drawn))) for k in range(6)]
    assert_close(torch.cat(alone), after, atol=1e-5, rtol=0)


def test_noise_is_a_function_of_its_seed():
    drawn = draw(only("noise"))
    fields = draw_noise(drawn, 64)
    assert torch.equal(fields, draw_noise(drawn, 64))
    assert_close(fields.std((1, 2)), torch.from_numpy(drawn.noise_std), rtol=0.05, atol=0)
    assert not torch.equal(fields[0] / fields[0].std(), fields[1] / fields[1].std())
    assert torch.equal(distorted(crops(size=64), drawn), crops(size=64) + fields)


def test_contrast_is_monais():
    images, gammas = crops(3), torch.tensor([0.7, 1.0, 1.5])
    for image, gamma, got in zip(images, gammas, adjust_contrast(images, gammas), strict=True):
        expected = AdjustContrast(gamma=float(gamma), retain_stats=True)(image[None])[0]
        assert_close(got, torch.as_tensor(expected), atol=1e-5, rtol=0)


def test_scale_is_a_factor():
    drawn = draw(only("scale"))
    assert_close(distorted(crops(), drawn), crops() * torch.from_numpy(drawn.factors).view(-1, 1, 1))


def test_constant_crops_stay_finite_and_constant():
    drawn = draw(only("smooth", "scale", "low_resolution", "contrast"))
    after = distorted(torch.full((4, 16, 16), -5.98), drawn)
    expected = -5.98 * torch.from_numpy(drawn.factors).view(-1, 1, 1)
    assert_close(after, expected.expand(4, 16, 16), atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [1, 2])
def test_tiny_crops(size):
    assert distorted(crops(size=size), draw(only(*KINDS))).isfinite().all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"noise_probability": 1.5}, "noise_probability must lie"),
        ({"smooth_sigma": (0.0, 1.0)}, "smooth_sigma must be above 0"),
        ({"zoom_range": (0.5, 1.2)}, "up to 1"),
    ],
)
def test_refuses_numbers_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        CropDistortions(**settings)
