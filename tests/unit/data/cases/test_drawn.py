"""Folders of DICOM with what was drawn on them."""

import numpy as np
import pytest
from drawn_labels import write_structure_set
from set_folders import touch
from volume_files import ct_voxels, write_dicom_series

from meddino_components.data.cases.drawn import DRAWN
from meddino_components.data.volumes.dicom import read_series
from meddino_components.errors import InputError


@pytest.fixture
def root(tmp_path):
    """One series that something was drawn on, and one that is bare."""
    for number, name in enumerate(("drawn", "bare"), start=1):
        uid = f"1.2.826.0.1.3680043.9.9999.{number}"
        write_dicom_series(tmp_path / name, ct_voxels(number), series_uid=uid, patient_id=name)
    mask = np.zeros(ct_voxels().shape, bool)
    mask[8:14, 8:14, 1:3] = True
    affine = read_series(tmp_path / "drawn").affine
    uid = "1.2.826.0.1.3680043.9.9999.1"
    write_structure_set(tmp_path / "drawn" / "structures.dcm", {"tumour": mask}, affine, series_uid=uid)
    return tmp_path


def test_drawn_series_are_labelled_and_the_others_test_cases(root):
    (labelled,), (bare,) = DRAWN.read(root, "training", None), DRAWN.read(root, "test", None)
    assert (labelled["modality"], "label" in labelled, "label" in bare) == ("ct", True, False)
    assert DRAWN.read(root, "training", "mr") == []


def test_recognised_by_files_of_dicom_without_dataset_json(root, tmp_path):
    assert DRAWN.recognises(root, None)
    assert not DRAWN.recognises(root, {"training": []})
    touch(tmp_path / "other" / "a.nii.gz")
    assert not DRAWN.recognises(tmp_path / "other", None)


def test_it_has_no_validation_list(root):
    with pytest.raises(InputError, match="a folder of DICOM files has no official validation list"):
        DRAWN.read(root, "official_validation", None)
