"""LiTS: volumes and segmentations with the same number, in any folders."""

import pytest
from set_folders import lits_set, touch

from meddino_components.data import class_names, read_datalist
from meddino_components.data.cases.lits import LITS, LITS_LABELS
from meddino_components.errors import InputError


@pytest.mark.parametrize("end", [".nii", ".nii.gz"])
def test_both_training_archives_and_the_test_set(tmp_path, end):
    root = lits_set(tmp_path, end=end)
    cases = read_datalist(root, section="all_labelled")
    assert [case["case_id"] for case in cases] == ["volume-0", "volume-1", "volume-28"]
    assert cases[2] == {
        "image": str(root / "Training Batch 2" / f"volume-28{end}"),
        "label": str(root / "Training Batch 2" / f"segmentation-28{end}"),
        "case_id": "volume-28",
        "modality": "ct",
    }
    (case,) = read_datalist(root, section="test")
    assert (case["case_id"], "label" in case) == ("test-volume-0", False)
    assert class_names(dataset_dir=root) == ["background", "liver", "tumour"]


def test_names_of_other_labels(tmp_path):
    lits_set(tmp_path)
    with pytest.raises(InputError, match=r"label_names and the data set have .* \(layout lits\)\. Omit"):
        class_names(dataset_dir=tmp_path, stated=["background", "tumour", "liver"])


def test_recognised_by_volumes_with_segmentations(tmp_path):
    touch(tmp_path / "volume-0.nii")
    assert not LITS.recognises(tmp_path, None)
    touch(tmp_path / "segmentation-0.nii")
    assert LITS.recognises(tmp_path, None)
    assert not LITS.recognises(tmp_path, {"training": []})
    assert LITS.default_labels == LITS_LABELS


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(InputError, match=r"has no volume-0\.nii and segmentation-0\.nii, as LiTS has"):
        read_datalist(tmp_path, "lits")
    root = lits_set(tmp_path)
    with pytest.raises(InputError, match="layout 'lits' has no validation list of its own"):
        read_datalist(root, section="official_validation")
    touch(root / "volume-5.nii")
    with pytest.raises(InputError, match=r"volume-5\.nii: has no label segmentation-5\.nii below .*; 1 of 4 images"):
        read_datalist(root)
