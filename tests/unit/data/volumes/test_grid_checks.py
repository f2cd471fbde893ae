"""Distances between grids, and grids that nobody can be right about."""

import numpy as np
import pytest

from meddino_components.data.volumes.grid_checks import (
    check_affine,
    corner_distance_mm,
    grid_excess_mm,
    plain,
    shortest_edge_mm,
    spatial_shape,
)
from meddino_components.errors import InputError

AFFINE = np.diag([2.0, 3.0, 5.0, 1.0])


def test_distances_of_the_corners():
    other = AFFINE.copy()
    other[0, 0], other[1, 3] = 2.5, 4.0
    # along X the corners are 8 steps of 0.5 mm apart, along Y everything lies 4 mm further
    found = corner_distance_mm(AFFINE, other, (9, 7, 4, 3))
    assert sorted(found) == pytest.approx([4.0] * 4 + [np.hypot(4, 4)] * 4)
    assert shortest_edge_mm(AFFINE[[1, 2, 0, 3]]) == 2.0


@pytest.mark.parametrize(("off_mm", "excess_mm"), [(0.00199, 0.0), (0.0021, 0.0021)])
def test_the_first_voxel_may_be_off_by_a_share_of_the_shortest_edge(off_mm, excess_mm):
    other = AFFINE.copy()
    other[2, 3] = off_mm
    assert grid_excess_mm(AFFINE, other, (1, 1, 1)) == pytest.approx(excess_mm)


def test_the_last_voxel_also_by_a_rotation():
    for angle, is_one in ((9e-5, True), (2e-4, False)):
        turn = np.eye(4)
        turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        excess = grid_excess_mm(AFFINE, turn @ AFFINE, (101, 1, 1))
        assert excess == (0.0 if is_one else pytest.approx(200 * angle, rel=1e-6))


def edited(place, value):
    affine = AFFINE.copy()
    affine[place] = value
    return affine


@pytest.mark.parametrize(
    ("affine", "message"),
    [
        (np.eye(3), r"a: the affine has shape \(3, 3\)"),
        (edited((0, 3), np.inf), "holds NaN or infinite values"),
        (edited((1, 1), 0.0), r"voxel spacing is \(2, 0, 5\) mm"),
        (edited((slice(0, 3), 1), [4.0, 0.0, 0.0]), "the affine is singular"),
        (edited((0, 1), 0.0031), r"sheared \(cosine 0\.0010 between two of them, expected less than 0\.001\)"),
    ],
)
def test_affines_that_are_no_rotation_times_a_spacing(affine, message):
    with pytest.raises(InputError, match=message) as error:
        check_affine(affine, "a")
    assert "\n" not in str(error.value)


def test_affines_that_are():
    check_affine(edited((0, 1), 0.0029), "a")
    check_affine(AFFINE[[2, 0, 1, 3]] * [-1, 1, 1, 1], "a")


@pytest.mark.parametrize(
    ("shape", "found"), [((4,), (4, 1, 1)), ((4, 5), (4, 5, 1)), ((4, 5, 6, 1, 1), (4, 5, 6)), ((1, 1, 1), (1, 1, 1))]
)
def test_three_sizes(shape, found):
    assert spatial_shape(shape, "a") == found


@pytest.mark.parametrize(
    ("shape", "message"), [((4, 5, 6, 2), "expected one 3D volume"), ((), "without"), ((4, 0), "without")]
)
def test_sizes_of_no_volume(shape, message):
    with pytest.raises(InputError, match=message):
        spatial_shape(shape, "a")


def test_numbers_of_a_message():
    assert plain(np.array([[0.7, 1e-7], [3.0, 1234567.0]], np.float32)) == "(0.7, 1e-07, 3, 1.23457e+06)"
