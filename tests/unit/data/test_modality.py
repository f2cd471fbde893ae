"""CT or MR is stated by somebody, or it is an error."""

import numpy as np
import pytest
from volume_files import write_dicom_series

from meddino_components.data import StateModalityd
from meddino_components.data.modality import BY_DICOM_TAG, dicom_modality
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
    with pytest.raises(InputError, match=r"a\.nii\.gz: CT or MR\?"):
        StateModalityd("image", modality=nothing)({"image": "a.nii.gz", "modality": nothing})


@pytest.mark.parametrize("choice", [None, BY_DICOM_TAG, CHOICES, "ct"])
def test_the_scanner_states_it(series, choice):
    state = StateModalityd("image", modality=choice)
    assert state({"image": str(series)})["modality"] == "ct"
    # MONAI Label keeps the series beside the file that it converts
    assert state({"image": series.with_name("scan.nii.gz")})["modality"] == "ct"
    assert dicom_modality(series.with_name("other.nii.gz")) is None


def test_user_and_scanner_disagree(series):
    with pytest.raises(InputError, match="scan: given as MR, but its DICOM tag Modality says CT"):
        StateModalityd("image", modality="mr")({"image": str(series)})


def test_another_word_is_refused():
    with pytest.raises(InputError, match="modality is 'pet'; expected 'ct' or 'mr'"):
        StateModalityd("image", modality="pet")
