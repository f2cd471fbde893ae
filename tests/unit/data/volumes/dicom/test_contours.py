"""Outlines of structures on the grid of a scan: holes, other planes, other files."""

import numpy as np
import pytest
from drawn_labels import write_structure_set

from meddino_components.data.volumes.dicom.contours import read_contours
from meddino_components.errors import InputError

pytest.importorskip("pydicom")
pytest.importorskip("skimage")

SHAPE = (20, 16, 5)
AFFINE = np.array([[-0.7, 0, 0, 30.0], [0, -0.9, 0, -12], [0, 0, 4, 100], [0, 0, 0, 1]])


def ring():
    mask = np.zeros(SHAPE, bool)
    mask[4:15, 3:13, 1:4] = True
    mask[8:11, 6:9, 2] = False
    return mask


def test_a_mask_with_a_hole_comes_back(tmp_path):
    other = np.zeros(SHAPE, bool)
    other[2:9, 2:9, 0] = True
    path = write_structure_set(tmp_path / "rs.dcm", {"GTV": ring(), "Cord": other}, AFFINE)
    found = read_contours(path, AFFINE, SHAPE)
    assert [region.name for region in found] == ["GTV", "Cord"]
    np.testing.assert_array_equal(found[0].mask, ring())
    np.testing.assert_array_equal(found[1].mask, other)


@pytest.mark.parametrize(
    ("shift_mm", "said"),
    [(1.6, "'GTV' has a contour 0.40 slices from the middle"), (40.0, "'GTV' has a contour outside the scan")],
)
def test_contours_of_another_scan(tmp_path, shift_mm, said):
    path = write_structure_set(tmp_path / "rs.dcm", {"GTV": ring()}, AFFINE, shift_mm=shift_mm)
    with pytest.raises(InputError, match=said):
        read_contours(path, AFFINE, SHAPE)


def test_points_with_few_digits_pass(tmp_path):
    path = write_structure_set(tmp_path / "rs.dcm", {"GTV": ring()}, AFFINE, shift_mm=0.8)
    np.testing.assert_array_equal(read_contours(path, AFFINE, SHAPE)[0].mask, ring())


def test_another_file(tmp_path):
    (tmp_path / "rs.dcm").write_bytes(b"no structures")
    with pytest.raises(InputError, match=r"rs\.dcm: cannot be read as an RTSTRUCT \(InvalidDicomError\)"):
        read_contours(tmp_path / "rs.dcm", AFFINE, SHAPE)
