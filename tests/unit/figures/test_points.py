"""Points of the user's, or spread over the body."""

import pytest
from planted_scans import write_scan

from meddino_components.errors import InputError
from meddino_components.figures import read_scan
from meddino_components.figures.points import places_of, points_in_square

LIVER = [44, 24, 2]  # voxels of the file


@pytest.fixture
def scan(tmp_path):
    return read_scan(write_scan(tmp_path / "scan.nii.gz"), modality="ct")


def test_points_in_mm_and_in_voxels_are_the_same(scan):
    in_voxels = places_of(scan, [LIVER], "voxel", None)
    assert places_of(scan, LIVER, "voxel", 2) == in_voxels  # one point
    assert places_of(scan, [[88.0, 48.0, 10.0]], "mm", None) == in_voxels


def test_points_of_another_slice_or_of_air(scan):
    with pytest.raises(InputError, match=r"point \[44, 24, 2\] lies in slice 2, but the figure shows slice 3"):
        places_of(scan, [LIVER], "voxel", 3)
    with pytest.raises(InputError, match=r"point \[44, 24, 3\] lies in slice 3, but the figure shows slice 2"):
        places_of(scan, [LIVER, [44, 24, 3]], "voxel", None)
    air = places_of(scan, [[2, 2, 2]], "voxel", None)
    with pytest.raises(InputError, match=r"row 45.0, column 61.0 of slice 2 .* lies in the air outside the body"):
        points_in_square(scan.slice(2), air, n_points=0)
    assert len(points_in_square(scan.slice(2), air, n_points=0, mask=False)) == 1


def test_points_chosen_without_chance(scan):
    slice_ = scan.slice(2)
    points = points_in_square(slice_, [], n_points=4)
    assert points == points_in_square(slice_, [], n_points=4)
    assert len(set(points)) == 4
    assert all(slice_.is_body(x, y) for x, y in points)
    with pytest.raises(InputError, match="expected at least 1"):
        points_in_square(slice_, [], n_points=0)
