import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from meddino_components.data import CheckSameGridd, ResampleInPlaned, in_plane_spacing, resize_slices
from meddino_components.data.volumes.resampling import fit_from_square, fit_to_square
from meddino_components.errors import InputError


def volume(shape=(1, 8, 6, 3), spacing=(1.0, 2.0, 5.0), values=None) -> MetaTensor:
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = (3, 4, 5)
    return MetaTensor(torch.zeros(shape) if values is None else values, affine=torch.as_tensor(affine))


def moved(by_mm: float) -> MetaTensor:
    other = volume()
    other.affine[1, 3] += by_mm
    return other


@pytest.mark.parametrize("by_mm", [0, 1e-8, 9e-4])
def test_same_grid(by_mm):
    CheckSameGridd()({"image": volume(), "label": moved(by_mm)})


def turned(by_rad: float, *, spacing_mm=4.7, shape=(1, 64, 64, 20)) -> tuple[MetaTensor, MetaTensor]:
    """A grid near a half turn, and the same after a rotation about its first voxel."""
    affine = np.diag([-spacing_mm, -spacing_mm, spacing_mm, 1.0])
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(by_rad), -np.sin(by_rad)], [np.sin(by_rad), np.cos(by_rad)]]
    return tuple(MetaTensor(torch.zeros(shape), affine=torch.as_tensor(a)) for a in (affine, turn @ affine))


def test_a_quaternion_s_rounding_is_the_same_grid_and_a_rotation_is_not():
    image, label = turned(1e-5)
    off = float(np.abs((image.affine - label.affine).numpy()[:3, :3] @ [63, 63, 19]).max())
    assert 0.0029 < off < 0.01
    CheckSameGridd()({"image": image, "label": label})
    image, label = turned(1e-3)
    with pytest.raises(InputError, match=r"its grid lies up to 0\.41"):
        CheckSameGridd()({"image": image, "label": label})


def test_the_tolerance_follows_the_voxel():
    for scale, allowed in ((4.0, True), (0.1, False)):
        spacing = (1.0 * scale, 2.0 * scale, 5.0 * scale)
        other = volume(spacing=spacing)
        other.affine[0, 3] += 0.0032
        pair = {"image": volume(spacing=spacing), "label": other}
        if allowed:
            CheckSameGridd()(pair)
        else:
            with pytest.raises(InputError, match=r"0\.0032 mm"):
                CheckSameGridd()(pair)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (moved(1.1e-3), "0.0011 mm"),
        (moved(2.0), "2 mm"),
        (volume((1, 8, 6, 4)), r"\(8, 6, 4\)"),
        (volume(spacing=(1.0, 2.0, 5.01)), "0.02 mm"),  # two slices up
    ],
)
def test_other_grid_is_refused(label, message):
    with pytest.raises(InputError, match=message):
        CheckSameGridd()({"image": volume(), "label": label})


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
