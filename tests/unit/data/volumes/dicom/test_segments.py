"""Segments of a DICOM SEG on the grid of the scan: any order of slices, other grids, fractions, other files."""

import numpy as np
import pytest
from drawn_labels import write_segmentation
from volume_files import ct_voxels, write_dicom_series

from meddino_components.data.volumes.dicom import read_series
from meddino_components.data.volumes.dicom.segments import read_segments
from meddino_components.errors import InputError

pytest.importorskip("highdicom")


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return read_series(write_dicom_series(tmp_path_factory.mktemp("ct"), ct_voxels()))


@pytest.fixture
def masks(series):
    made = {name: np.zeros(series.voxels.shape, bool) for name in ("Liver", "Spleen")}
    made["Liver"][1:6, 2:7, 1:3] = True
    made["Spleen"][7:9, 3:8, 2:4] = True
    return made


@pytest.mark.parametrize("flip", [False, True])
def test_masks_come_back_by_their_names(series, masks, tmp_path, flip):
    path = write_segmentation(tmp_path / "seg.dcm", masks, series, flip=flip)
    found = {region.name: region.mask for region in read_segments(path, series.affine, series.voxels.shape)}
    assert list(found) == ["Liver", "Spleen"]
    for name, mask in masks.items():
        np.testing.assert_array_equal(found[name], mask)


def test_a_scan_half_a_voxel_away_is_refused(series, masks, tmp_path):
    path = write_segmentation(tmp_path / "seg.dcm", masks, series)
    moved = series.affine.copy()
    moved[0, 3] += 0.35
    with pytest.raises(InputError, match=r"segments are up to 0\.50 voxels off the grid of the scan"):
        read_segments(path, moved, series.voxels.shape)


def test_a_smaller_scan_is_refused(series, masks, tmp_path):
    path = write_segmentation(tmp_path / "seg.dcm", masks, series)
    x, y, z = series.voxels.shape
    with pytest.raises(InputError, match="a segment extends beyond the scan"):
        read_segments(path, series.affine, (x, y, z - 2))


def test_fractions_and_other_files_are_refused(series, masks, tmp_path):
    path = write_segmentation(tmp_path / "seg.dcm", masks, series, kind="FRACTIONAL")
    with pytest.raises(InputError, match="the segments are fractional"):
        read_segments(path, series.affine, series.voxels.shape)
    (tmp_path / "other.dcm").write_bytes(b"no segments")
    with pytest.raises(InputError, match=r"other\.dcm: cannot be read as a DICOM SEG"):
        read_segments(tmp_path / "other.dcm", series.affine, series.voxels.shape)
