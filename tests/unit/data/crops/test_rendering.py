"""Crops on CPU and as a batch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from meddino_components.data.crops.distortions import CropDistortions
from meddino_components.data.crops.rendering import (
    CropPlan,
    UnrenderedSample,
    collate_unrendered,
    render_batch,
    render_sample,
)
from meddino_components.data.crops.store_intensity import Normalization

PLAIN = Normalization(-1e6, 1e6, 0.0, 1.0)
CT = Normalization(-1000.0, 1000.0, 65.1084213, 178.0166321)
ALL = CropDistortions(
    **{f"{kind}_probability": 0.5 for kind in ("noise", "smooth", "scale", "low_resolution", "contrast")}
)


def plan(windows, size=16, flips=None, distortions=None):
    flips = np.zeros(len(windows), bool) if flips is None else np.array(flips)
    return CropPlan(size=size, windows=np.array(windows), flips=flips, distortions=distortions)


def render(pixels, normalization=PLAIN, **plans):
    sample = UnrenderedSample(pixels=np.asarray(pixels, np.int16), normalization=normalization, plans=plans)
    return render_sample(sample)


def random_sample(shape, seed, size=16):
    rng = np.random.default_rng(seed)
    height, width = shape
    sizes = rng.integers(1, [height + 1, width + 1], (3, 2))
    windows = np.concatenate([rng.integers(0, np.array(shape) - sizes + 1), sizes], axis=1)
    return UnrenderedSample(
        pixels=rng.integers(-1500, 3000, shape).astype(np.int16),
        normalization=CT._replace(mean=float(seed)),
        plans={
            "global_crops": CropPlan(size=size, windows=windows, flips=rng.random(3) < 0.5),
            "local_crops": CropPlan(
                size=size // 2, windows=windows, flips=rng.random(3) < 0.5, distortions=ALL.draw(rng, 3)
            ),
        },
    )


def test_a_crop_is_its_window_interpolated():
    pixels = np.random.default_rng(0).integers(-900, 900, (60, 50)).astype(np.int16)
    windows = [[5, 7, 40, 33], [0, 0, 60, 50], [50, 44, 10, 6]]
    crops = render(pixels, global_crops=plan(windows, flips=[False, True, False]))["global_crops"]
    for crop, (top, left, height, width), flip in zip(crops, windows, (False, True, False), strict=True):
        window = torch.from_numpy(pixels[top : top + height, left : left + width]).double()[None, None]
        expected = F.interpolate(window, (16, 16), mode="bicubic", antialias=True)[0]
        assert crop.shape == (1, 16, 16)
        assert crop.dtype == torch.float32
        assert_close(crop.double(), expected.flip(-1) if flip else expected, atol=2e-3, rtol=0)


def test_values_are_clipped_after_the_interpolation_and_not_before():
    # bone and metal in every other column: 1500 HU on average, of which clipped values would leave 500
    pixels = np.zeros((64, 64), np.int16)
    pixels[:, ::2] = 3000
    crop = render(pixels, CT, local_crops=plan([[0, 0, 64, 64]], size=8))["local_crops"][0]
    assert_close(crop, torch.full((1, 8, 8), (1000 - CT.mean) / CT.std))
    # an edge overshoots in the interpolation, but not in the crop
    pixels = np.where(np.arange(64) < 32, -1000, 900).astype(np.int16)[None].repeat(64, 0)
    crop = render(pixels, CT, local_crops=plan([[0, 0, 64, 64]], size=48))["local_crops"][0]
    assert_close(crop.min(), torch.tensor((-1000 - CT.mean) / CT.std))
    assert crop.max() > (901 - CT.mean) / CT.std


def test_gram_teacher_crops_show_the_same_window():
    ramp = (10 * np.arange(80)[None] - 3 * np.arange(80)[:, None]).astype(np.int16)
    shown = {"windows": [[5, 10, 60, 48]], "flips": [True]}
    crops = render(ramp, global_crops=plan(size=16, **shown), gram_teacher_crops=plan(size=48, **shown))
    coarse, fine = crops["global_crops"][0], crops["gram_teacher_crops"][0]
    # pixel centres of one lie evenly among those of the other; edges bend
    inner = (slice(None), slice(3, -3), slice(3, -3))
    assert_close(F.avg_pool2d(fine, 3)[inner], coarse[inner], atol=0.05, rtol=0)


@pytest.mark.parametrize("shapes", [[(60, 50)], [(60, 50), (33, 70), (5, 4)], [(1, 1), (1, 40), (40, 1)]])
def test_a_batch_gives_the_pixels_of_its_samples(shapes):
    samples = [random_sample(shape, seed) for seed, shape in enumerate(shapes)]
    batch = render_batch(collate_unrendered(samples), torch.device("cpu"))
    for kind, side in (("global_crops", 16), ("local_crops", 8)):
        assert batch[kind].shape == (3 * len(shapes), 1, side, side)
        # crop-major
        of_image = batch[kind].unflatten(0, (3, -1)).transpose(0, 1)
        for crops, sample in zip(of_image, samples, strict=True):
            assert_close(crops, torch.stack(render_sample(sample)[kind]), atol=1e-4, rtol=0)


def test_a_batch_under_autocast_is_the_same():
    batch = collate_unrendered([random_sample((30, 30), 0)])
    expected = render_batch(batch, torch.device("cpu"))
    with torch.autocast("cpu", torch.bfloat16):
        got = render_batch(batch, torch.device("cpu"))
    for kind in expected:
        assert torch.equal(got[kind], expected[kind])


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (3, 2)])
def test_slices_smaller_than_a_crop(shape):
    whole = [[0, 0, *shape]]
    crops = render(np.full(shape, 40), CT, global_crops=plan(whole, size=64), local_crops=plan(whole, size=2))
    for kind in crops:
        assert_close(crops[kind][0], torch.full_like(crops[kind][0], (40 - CT.mean) / CT.std))


def test_constant_slices_stay_constant():
    crops = render(np.full((50, 50), -1024), CT, global_crops=plan([[3, 4, 31, 29]]))["global_crops"]
    assert_close(crops[0], torch.full((1, 16, 16), (-1000 - CT.mean) / CT.std))


def test_refuses_samples_that_do_not_fit_together():
    samples = [random_sample((20, 20), 0), random_sample((20, 20), 1, size=32)]
    with pytest.raises(ValueError, match="same number and size of crops"):
        collate_unrendered(samples)
