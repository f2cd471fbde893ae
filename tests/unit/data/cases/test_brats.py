"""Cases of several sequences are found by the names of their files, in a folder or in a list."""

import pytest
from set_folders import brats_set, touch

from meddino_components.data.cases.brats import BRATS
from meddino_components.errors import InputError

NAMES = ["BraTS-GLI-00001-000", "BraTS-GLI-00002-000"]


def test_labelled_cases_and_those_without_a_label(tmp_path):
    root = brats_set(brats_set(tmp_path, NAMES), ["BraTS-GLI-00003-000"], label=False)
    with pytest.warns(UserWarning, match="1 cases have no label and are left out: BraTS-GLI-00003-000"):
        cases = BRATS.read(root, "training", None)
    assert sorted(case["case_id"] for case in cases) == NAMES
    assert sorted(cases[0]["image"]) == ["flair", "t1", "t1ce", "t2"]
    assert [case["case_id"] for case in BRATS.read(root, "test", "mr")] == ["BraTS-GLI-00003-000"]


def test_recognised_by_two_sequences_of_one_name(tmp_path):
    assert not BRATS.recognises(tmp_path, None)
    touch(tmp_path / "a" / "a_t1.nii.gz")
    touch(tmp_path / "a" / "a_seg.nii.gz")
    assert not BRATS.recognises(tmp_path, None)
    touch(tmp_path / "a" / "a_t2.nii.gz")
    assert BRATS.recognises(tmp_path, None)
    # dataset.json comes first, unless this layout is stated
    assert not BRATS.recognises(tmp_path, {"training": []})
    assert BRATS.recognises(tmp_path / "list.json", None)


def test_what_it_cannot_be(tmp_path):
    with pytest.raises(InputError, match="modality is 'ct'; the layout 'brats' consists of MRI sequences"):
        BRATS.read(tmp_path, "training", "ct")
    with pytest.raises(InputError, match="a folder has no official validation list"):
        BRATS.read(brats_set(tmp_path, NAMES), "official_validation", None)
