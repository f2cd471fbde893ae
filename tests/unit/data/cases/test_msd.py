"""A task of the Medical Segmentation Decathlon has one channel, whose name says the modality."""

import pytest
from set_folders import msd_set

from meddino_components.data.cases.msd import MSD
from meddino_components.errors import InputError


def test_cases_and_labels(tmp_path):
    root = msd_set(tmp_path)
    cases = MSD.read(root, "training", None)
    assert [(case["case_id"], case["modality"]) for case in cases] == [
        ("liver_0", "ct"),
        ("liver_1", "ct"),
        ("liver_10", "ct"),
    ]
    assert MSD.labels(root) == {0: "background", 1: "liver", 2: "cancer"}


def test_a_channel_of_another_name_needs_a_stated_modality(tmp_path):
    root = msd_set(tmp_path, modality={"0": "MRI"})
    assert {case["modality"] for case in MSD.read(root, "all_labelled", "mr")} == {"mr"}
    with pytest.raises(InputError, match=r"the channel is named 'MRI', which is not 'CT'\. State the modality"):
        MSD.read(root, "all_labelled", None)


def test_sections_that_it_has_not(tmp_path):
    with pytest.raises(InputError, match="layout 'msd' has no validation list of its own"):
        MSD.read(msd_set(tmp_path), "official_validation", None)


def test_recognised_by_modality_and_images(tmp_path):
    assert MSD.recognises(tmp_path, {"modality": {"0": "CT"}, "training": ["a.nii.gz"]})
    assert not MSD.recognises(tmp_path, {"modality": {"0": "CT"}, "training": []})
    assert not MSD.recognises(tmp_path, {"training": ["a.nii.gz"]})
