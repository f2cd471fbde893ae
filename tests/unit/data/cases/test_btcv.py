"""BTCV: Training with img and label, Testing with img alone."""

import pytest
from set_folders import btcv_set, touch

from meddino_components.data import class_names, read_datalist
from meddino_components.data.cases.btcv import BTCV, BTCV_LABELS
from meddino_components.errors import InputError


@pytest.mark.parametrize("given", [".", "RawData", ".."])
def test_cases_from_each_folder_that_a_user_may_give(tmp_path, given):
    root = btcv_set(tmp_path / "Abdomen")
    cases = read_datalist((root / given).resolve(), section="all_labelled")
    assert [case["case_id"] for case in cases] == ["img0001", "img0002", "img0040"]
    assert cases[0]["label"] == str(root / "RawData/Training/label/label0001.nii.gz")
    assert {case["modality"] for case in cases} == {"ct"}
    (case,) = read_datalist((root / given).resolve(), section="test")
    assert (case["case_id"], "label" in case) == ("img0061", False)


def test_thirteen_organs(tmp_path):
    names = class_names(dataset_dir=btcv_set(tmp_path))
    assert (len(names), names[1], names[11], names[13]) == (14, "spleen", "pancreas", "left adrenal gland")
    assert class_names(layout="btcv") == list(BTCV_LABELS.values())


def test_without_a_test_set(tmp_path):
    root = btcv_set(tmp_path, test=())
    assert BTCV.read(root, "test", None) == []
    assert BTCV.recognises(root, None)
    assert not BTCV.recognises(root, {"training": []})


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(InputError, match="has no RawData/Training with the folders img and label"):
        read_datalist(tmp_path, "btcv")
    root = btcv_set(tmp_path)
    with pytest.raises(InputError, match="layout 'btcv' has no validation list of its own"):
        read_datalist(root, section="official_validation")
    (root / "RawData/Training/label/label0002.nii.gz").unlink()
    with pytest.raises(InputError, match=r"img0002\.nii\.gz: has no label label0002\.nii\.gz below .*; 1 of 3 images"):
        read_datalist(root)
    touch(root / "RawData/Training/label/label0002.nii.gz")
    touch(root / "RawData/Training/label/label0003.nii.gz")
    with pytest.raises(InputError, match=r"label0003\.nii\.gz: has no image below .*; 1 of 4 labels have none"):
        read_datalist(root)
