"""Which files are drawn labels, and which series they belong to."""

import numpy as np
import pytest
from drawn_labels import write_segmentation, write_structure_set
from volume_files import SERIES_UID, ct_voxels, write_dicom_series

from meddino_components.data.volumes.dicom import read_series
from meddino_components.data.volumes.dicom.drawn_regions import drawn_object

pytest.importorskip("highdicom")


def test_both_kinds_say_their_series(tmp_path):
    voxels = ct_voxels()
    mask = np.zeros(voxels.shape, bool)
    mask[2:6, 3:7, 1:3] = True
    series = read_series(write_dicom_series(tmp_path / "ct", voxels))
    segmentation = drawn_object(write_segmentation(tmp_path / "seg.dcm", {"Liver": mask}, series))
    structures = drawn_object(write_structure_set(tmp_path / "rs.dcm", {"Liver": mask}, series.affine))
    assert (segmentation.is_segmentation, structures.is_segmentation) == (True, False)
    assert segmentation.series_uids == structures.series_uids == {SERIES_UID}


def test_slices_and_other_files_are_none(tmp_path):
    folder = write_dicom_series(tmp_path / "ct", ct_voxels())
    (tmp_path / "notes.txt").write_text("drawn by A. B.")
    for path in (next(folder.iterdir()), tmp_path / "notes.txt", tmp_path / "lost.dcm", folder):
        assert drawn_object(path) is None
