"""Slices on another grid, against SciPy and scikit-image's rule."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy.ndimage import zoom

from meddino_components.data import ResampleInPlaned, in_plane_spacing, resize_slices
from meddino_components.data.volumes.resampling import fit_from_square, fit_to_square
from meddino_components.errors import InputError


def volume(shape=(1, 8, 6, 3), spacing=(1.0, 2.0, 5.0), values=None) -> MetaTensor:
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = (3, 4, 5)
    return MetaTensor(torch.zeros(shape) if values is None else values, affine=torch.as_tensor(affine))


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


def test_resize_keeps_a_linear_ramp_aligned_at_pixel_edges():
    ramp = (torch.arange(16.0) + 0.5)[None, None, None].expand(2, 1, 8, 16)
    for width in (8, 32):
        resized = resize_slices(ramp, (8, width))
        expected = (torch.arange(width) + 0.5) * 16 / width
        torch.testing.assert_close(resized[1, 0, 3, 2:-2], expected[2:-2], atol=1e-5, rtol=0)


def test_shrinking_averages_and_labels_keep_their_values_and_type():
    checkerboard = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 2.0
    small = resize_slices(checkerboard[None, None], (8, 8))
    torch.testing.assert_close(small, torch.ones(1, 1, 8, 8), atol=0.02, rtol=0)
    labels = torch.tensor([[0, 7], [9, 255]], dtype=torch.uint8)[None, None]
    large = resize_slices(labels, (4, 4), "nearest")
    assert large.dtype == torch.uint8
    assert large[0, 0].tolist() == labels[0, 0].repeat_interleave(2, 0).repeat_interleave(2, 1).tolist()


def test_resize_to_the_same_size_is_free_and_other_modes_are_refused():
    slices = torch.rand(1, 1, 4, 4)
    assert resize_slices(slices, (4, 4)) is slices
    with pytest.raises(ValueError, match="bicubic"):
        resize_slices(slices, (2, 2), "bicubic")


def test_resample_in_plane_keeps_physical_extent_and_slices():
    resampled = ResampleInPlaned(keys="image", pixdim=(0.5, 1.5))({"image": volume()})["image"]
    assert tuple(resampled.shape) == (1, 16, 8, 3)
    assert in_plane_spacing(resampled.affine) == (0.5, 1.5)
    for corner_in, corner_out in (((-0.5, -0.5, 0), (-0.5, -0.5, 0)), ((7.5, 5.5, 2), (15.5, 7.5, 2))):
        before = volume().affine.numpy() @ [*corner_in, 1]
        np.testing.assert_allclose(resampled.affine.numpy() @ [*corner_out, 1], before, atol=1e-9)


def test_resampled_position_of_a_blob(monkeypatch):
    """The centre of mass stays at the same millimetre, also when slices go through in chunks."""
    monkeypatch.setattr("meddino_components.data.volumes.resampling._CHUNK_PIXELS", 1)
    values = torch.zeros(1, 20, 24, 2)
    values[0, 8:12, 10:15, :] = 1
    image = volume(values=values)
    small = ResampleInPlaned(keys=["image", "label"], pixdim=3.0, mode=["bilinear", "nearest"])(
        {"image": image, "label": image.to(torch.uint8)}
    )["image"]
    centres = []
    for v in (image, small):
        weights = v.numpy()[0]
        index = np.stack(np.meshgrid(*[np.arange(n) for n in weights.shape], indexing="ij"), axis=-1)
        mean = (index * weights[..., None]).sum((0, 1, 2)) / weights.sum()
        centres.append(v.affine.numpy() @ [*mean, 1])
    np.testing.assert_allclose(centres[1], centres[0], atol=1e-3)


@pytest.mark.parametrize("pixdim", [0.0, -1.0, float("nan"), (1.0, 1.0, 1.0)])
def test_bad_pixdim(pixdim):
    with pytest.raises(InputError, match="pixdim"):
        ResampleInPlaned(keys="image", pixdim=pixdim)


@pytest.mark.parametrize(("size", "spacing"), [((30, 50), (1.0, 1.0)), ((50, 20), (0.8, 1.5)), ((40, 40), (2.0, 0.5))])
def test_scores_on_the_square_come_back_to_the_slices_own_grid(size, spacing):
    """A smooth surface survives the way there and back, edges apart; what was filled up is gone."""
    rows, columns = (torch.linspace(0, 1, n) for n in size)
    slices = (rows[:, None] + 2 * columns)[None, None].repeat(3, 1, 1, 1)
    square = fit_to_square(slices, spacing=spacing, size_px=128)
    assert square.shape == (3, 1, 128, 128)
    back = fit_from_square(square, size=size, spacing=spacing)
    assert back.shape == slices.shape
    np.testing.assert_allclose(back[..., 2:-2, 2:-2], slices[..., 2:-2, 2:-2], atol=0.02)


def test_labels_keep_their_place_on_the_way_to_the_square_and_back():
    labels = torch.zeros(1, 1, 24, 40, dtype=torch.uint8)
    labels[..., 6:12, 30:38] = 1
    square = fit_to_square(labels, spacing=(1.0, 1.0), size_px=160, mode="nearest")
    scores = torch.stack([square == 0, square == 1], 1)[:, :, 0].float()
    back = fit_from_square(scores, size=(24, 40), spacing=(1.0, 1.0)).argmax(1)
    assert torch.equal(back, labels[:, 0].long())
