"""CT or MR is stated by somebody, or it is an error."""

import numpy as np
import pytest
from volume_files import write_dicom_series

from meddino_components.data import LoadVolumed, StateModalityd
from meddino_components.data.volumes.modality import BY_DICOM_TAG
from meddino_components.errors import InputError

CHOICES = [BY_DICOM_TAG, "ct", "mr"]


@pytest.fixture
def series(tmp_path):
    """A folder with a CT series, as `scan`, and a file made of it."""
    voxels = np.random.default_rng(0).normal(0, 100, (6, 5, 4)).astype(np.int16)
    write_dicom_series(tmp_path / "scan", voxels)
    (tmp_path / "scan.nii.gz").write_bytes(b"made of it")
    return tmp_path / "scan"


@pytest.mark.parametrize(
    ("case", "choice", "expected"),
    [
        ({"modality": "mr"}, None, "mr"),
        ({"modality": "MR"}, "ct", "mr"),
        ({}, "CT", "ct"),
        # what MONAI Label sends where nobody chose, and what is then in the configuration
        ({"modality": "mr"}, CHOICES, "mr"),
    ],
)
def test_somebody_states_it(case, choice, expected):
    assert StateModalityd("image", modality=choice)({"image": "a.nii.gz", **case})["modality"] == expected


@pytest.mark.parametrize("nothing", [None, "", BY_DICOM_TAG, CHOICES])
def test_nobody_states_it(nothing):
    with pytest.raises(InputError, match=r"a\.nii\.gz: no modality is stated"):
        StateModalityd("image", modality=nothing)({"image": "a.nii.gz", "modality": nothing})


@pytest.mark.parametrize("choice", [None, BY_DICOM_TAG, CHOICES, "ct"])
def test_the_scanner_states_it(series, choice):
    """The tag of a folder is read with its voxels; MONAI Label keeps the series beside the file that it converts."""
    state, load = StateModalityd("image", modality=choice), LoadVolumed("image")
    assert load(state({"image": str(series)}))["modality"] == "ct"
    assert state({"image": series.with_name("scan.nii.gz")})["modality"] == "ct"


@pytest.mark.parametrize("name", ["scan", "scan.nii.gz"])
def test_user_and_scanner_disagree(series, name):
    state, load = StateModalityd("image", modality="mr"), LoadVolumed("image")
    with pytest.raises(InputError, match="scan: the modality is given as 'mr', but the DICOM files say 'CT'"):
        load(state({"image": str(series.with_name(name))}))


def test_another_word_is_refused():
    with pytest.raises(InputError, match="modality is 'pet'; expected 'ct' or 'mr'"):
        StateModalityd("image", modality="pet")
