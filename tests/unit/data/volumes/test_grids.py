"""Volumes on one grid, or refused."""

import numpy as np
import pytest
import torch
from inference_support import all_orientations, oblique_affine, phantom, reoriented
from monai.data import MetaTensor

from meddino_components.data import CheckSameGridd
from meddino_components.data.volumes.grids import as_on_grid
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


def test_another_grid_is_refused() -> None:
    array = np.zeros((4, 5, 6), np.uint8)
    moved = np.eye(4)
    moved[0, 3] = 0.01
    for affine, shape in ((moved, (4, 5, 6)), (np.diag([2.0, 1, 1, 1]), (4, 5, 6)), (np.eye(4), (4, 5, 7))):
        with pytest.raises(InputError, match="does not contain the voxels"):
            as_on_grid(array, np.eye(4), affine, shape)


def test_views_write_through() -> None:
    ornt = all_orientations()[29]
    array, affine = phantom(), oblique_affine()
    target = reoriented(array, affine, ornt)
    view = as_on_grid(array, affine, target.get_sform(), target.shape)
    np.testing.assert_array_equal(view, target.get_fdata())
    view[...] = 5
    assert (array == 5).all()
