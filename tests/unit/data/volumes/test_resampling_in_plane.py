"""Slices on another grid, against SciPy and scikit-image's rule."""

import numpy as np
import pytest
import torch
from scipy.ndimage import zoom

from meddino_components.data import ResampleInPlaned
from meddino_components.data.volumes.resampling import resize_slices
from meddino_components.errors import InputError


@pytest.mark.parametrize("size", [(24, 19), (11, 30), (9, 7)])
def test_cubic_is_the_spline_of_nnunet(size):
    """skimage.transform.resize(order=3, mode="edge", anti_aliasing=False), which is this zoom, clipped to the range."""
    slices = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 16, 21)).astype(np.float32))
    found = resize_slices(slices, size, "cubic")
    for pixels, resized in zip(slices.flatten(0, 1).numpy(), found.flatten(0, 1).numpy(), strict=True):
        factors = [n / m for n, m in zip(size, pixels.shape, strict=True)]
        expected = zoom(pixels, factors, order=3, mode="nearest", grid_mode=True).clip(pixels.min(), pixels.max())
        np.testing.assert_allclose(resized, expected, atol=2e-5)


def test_cubic_keeps_what_linear_interpolation_loses():
    wave = torch.sin(torch.arange(200) * 2 * torch.pi / 5)[None, None, None].expand(1, 1, 8, 200)
    there_and_back = {
        mode: resize_slices(resize_slices(wave, (8, 280), mode), (8, 200), mode) for mode in ("bilinear", "cubic")
    }
    lost = {mode: (found - wave)[..., 20:-20].abs().mean().item() for mode, found in there_and_back.items()}
    assert lost["cubic"] < 0.1 * lost["bilinear"]


def test_cubic_computes_in_float32_under_autocast():
    slices = torch.rand(1, 1, 20, 20)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = resize_slices(slices, (33, 27), "cubic")
    assert found.dtype == torch.float32
    assert torch.equal(found, resize_slices(slices, (33, 27), "cubic"))


def test_labels_win_by_their_share():
    labels = torch.tensor([[1, 1, 3, 3, 2, 2]], dtype=torch.uint8)[None, None].expand(1, 1, 6, 6)
    found = resize_slices(labels, (6, 12), "per_label")
    assert found.dtype == torch.uint8
    assert found[0, 0, 0].tolist() == [1, 1, 1, 1, 3, 3, 3, 3, 2, 2, 2, 2]
    # of a third of a pixel, none is an average of its neighbours' numbers
    assert set(resize_slices(labels, (7, 19), "per_label").unique().tolist()) == {1, 2, 3}


def test_labels_smooth_their_edges():
    """A disc that is enlarged four times: nearest neighbours leave stairs of four pixels, shares do not."""
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    disc = ((rows - 15.5) ** 2 + (columns - 15.5) ** 2 < 100).to(torch.uint8)[None, None]
    rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    true = (rows - 63.5) ** 2 + (columns - 63.5) ** 2 < 1600
    wrong = {
        mode: int((resize_slices(disc, (128, 128), mode)[0, 0].bool() != true).sum())
        for mode in ("nearest", "per_label")
    }
    assert wrong["per_label"] < 0.9 * wrong["nearest"]


def test_other_modes_are_refused():
    with pytest.raises(ValueError, match="mode is 'area'; expected one of 'bilinear', 'cubic', 'nearest', 'per_label'"):
        resize_slices(torch.zeros(1, 1, 4, 4), (2, 2), "area")
    with pytest.raises(InputError, match="resampling is 'linear'; expected one of bilinear, cubic, nearest, per_label"):
        ResampleInPlaned(["image", "label"], pixdim=1.0, mode=["linear", "nearest"])
