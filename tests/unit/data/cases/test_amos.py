"""AMOS22: the number of a case tells CT from MR."""

import pytest
from set_folders import amos_set

from meddino_components.data.cases.amos import AMOS, AMOS_LABELS
from meddino_components.errors import InputError


def test_modalities_by_number(tmp_path):
    root = amos_set(tmp_path, numbers=[1, 499, 500, 507], validation=[2])
    cases = AMOS.read(root, "all_labelled", None)
    assert {case["case_id"]: case["modality"] for case in cases} == {
        "amos_0001": "ct",
        "amos_0499": "ct",
        "amos_0500": "mr",
        "amos_0507": "mr",
    }
    assert [case["case_id"] for case in AMOS.read(root, "official_validation", None)] == ["amos_0002"]


def test_recognised_by_its_names_unless_nnunet_wrote_it(tmp_path):
    listed = {"training": [{"image": "./imagesTr/amos_0001.nii.gz"}]}
    assert AMOS.recognises(tmp_path, listed)
    assert not AMOS.recognises(tmp_path, {**listed, "file_ending": ".nii.gz"})
    assert not AMOS.recognises(tmp_path, {"training": ["liver_1.nii.gz"]})
    assert not AMOS.recognises(tmp_path, None)


def test_a_case_without_a_number(tmp_path):
    root = amos_set(tmp_path, training=[{"image": "./imagesTr/amos_a.nii.gz", "label": "./labelsTr/amos_a.nii.gz"}])
    with pytest.raises(InputError, match="case 'amos_a' has no number at its end to tell CT from MR"):
        AMOS.read(root, "training", None)


def test_its_labels_are_known_where_it_states_none():
    assert AMOS.default_labels == AMOS_LABELS
    assert (AMOS_LABELS[0], AMOS_LABELS[6], len(AMOS_LABELS)) == ("background", "liver", 16)
