"""Separable filters of images, against the libraries' own on one image at a time."""

import pytest
import torch
import torch.nn.functional as F
from monai.transforms import GaussianSmooth, RandSimulateLowResolution
from torch.testing import assert_close

from meddino_components.data.crops.axis_taps import bicubic_taps, filter_images, gaussian_taps, low_resolution_taps


def noise(*shape, low=-1000, high=3000):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * (high - low) + low


def resize(image, size, **settings):
    height, width = image.shape
    sides = {"shortest": min(height, width), "longest": max(height, width)} | settings
    rows, columns = (
        bicubic_taps(torch.tensor([0]), torch.tensor([side]), size=size, **sides) for side in (height, width)
    )
    return filter_images(image[None], rows, columns)[0]


@pytest.mark.parametrize("shape", [(97, 60), (20, 33), (7, 3), (1, 1), (1, 50), (48, 48)])
@pytest.mark.parametrize("size", [48, 16])
def test_resizing_is_torchs_antialiased_bicubic_in_double_precision(shape, size):
    image = noise(*shape)
    expected = F.interpolate(image[None, None].double(), (size, size), mode="bicubic", antialias=True)[0, 0]
    assert_close(resize(image, size).double(), expected, atol=2e-3, rtol=0)


def test_bounds_of_the_lengths_need_not_be_tight():
    image = noise(40, 31)
    assert_close(resize(image, 16, shortest=1, longest=300), resize(image, 16), atol=2e-3, rtol=0)


def test_windows_of_different_length_in_one_batch():
    line = noise(200)
    starts, lengths = torch.tensor([3, 150, 7, 199]), torch.tensor([120, 50, 2, 1])
    taps = bicubic_taps(starts, lengths, size=24, shortest=1, longest=120)
    got = (line[taps.pixels] * taps.weights).sum(-1)
    for values, start, length in zip(got, starts.tolist(), lengths.tolist(), strict=True):
        window = line[start : start + length].double().view(1, 1, 1, -1)
        expected = F.interpolate(window, (1, 24), mode="bicubic", antialias=True)[0, 0, 0]
        assert_close(values.double(), expected, atol=2e-3, rtol=0)
        assert ((taps.pixels >= 0) & (taps.pixels < 200)).all()


def test_flips_mirror_the_output():
    starts, lengths = torch.tensor([0, 0]), torch.tensor([37, 37])
    taps = bicubic_taps(starts, lengths, size=16, shortest=37, longest=37, flips=torch.tensor([False, True]))
    line = noise(37)
    plain, flipped = (line[taps.pixels] * taps.weights).sum(-1)
    assert_close(flipped, plain.flip(0), atol=1e-3, rtol=0)


def test_smoothing_is_monais_away_from_the_edges():
    images = noise(3, 40, 40, low=-5, high=5)
    sigmas = torch.tensor([[0.5, 1.0], [0.7, 0.6], [1.0, 1.0]])
    rows, columns = (gaussian_taps(axis, size=40, largest=1.0) for axis in sigmas.T)
    got = filter_images(images, rows, columns)
    for image, sigma, smooth in zip(images, sigmas, got, strict=True):
        expected = GaussianSmooth(sigma=sigma.tolist())(image[None])[0]
        assert_close(smooth[4:-4, 4:-4], expected[4:-4, 4:-4], atol=2e-3, rtol=0)


def test_smoothing_repeats_edges():
    rows = gaussian_taps(torch.tensor([0.8]), size=9, largest=0.8)
    got = filter_images(torch.full((1, 9, 9), 3.0), rows, rows)
    assert_close(got, torch.full((1, 9, 9), 3.0))


@pytest.mark.parametrize("zoom", [0.5, 0.61, 0.99, 1.0])
def test_low_resolution_is_monais(zoom):
    image = noise(32, 32, low=-5, high=5)
    taps = low_resolution_taps(torch.tensor([round(32 * zoom)]), size=32)
    got = filter_images(image[None], taps, taps)[0]
    transform = RandSimulateLowResolution(prob=1.0, zoom_range=(zoom, zoom), upsample_mode="bilinear")
    assert_close(got, torch.as_tensor(transform(image[None]))[0], atol=1e-4, rtol=0)


def test_low_resolution_of_one_pixel():
    taps = low_resolution_taps(torch.tensor([1]), size=5)
    image = noise(5, 5)
    assert_close(filter_images(image[None], taps, taps)[0], image[0, 0].expand(5, 5))
