"""TotalSegmentator: a mask for each class of each subject, and the split of meta.csv."""

import shutil

import pytest
from set_folders import totalsegmentator_set

from meddino_components.data import class_names, read_datalist
from meddino_components.data.cases.totalsegmentator import TOTALSEGMENTATOR
from meddino_components.errors import InputError


def ids(cases):
    return [case["case_id"] for case in cases]


def test_sections_are_those_of_meta_csv(tmp_path):
    root = totalsegmentator_set(tmp_path)
    cases = read_datalist(root, section="all_labelled")
    assert ids(cases) == ["s0000", "s0001"]
    assert cases[0]["image"] == str(root / "s0000" / "ct.nii.gz")
    assert len(cases[0]["label"]) == 117
    assert cases[0]["label"]["liver"] == str(root / "s0000" / "segmentations" / "liver.nii.gz")
    assert ids(read_datalist(root, section="validation", split="official")) == ["s0002"]
    assert ids(read_datalist(root, section="training", split="official")) == ["s0000", "s0001"]
    (case,) = read_datalist(root, section="test")
    assert (case["case_id"], len(case["label"])) == ("s0003", 117)


def test_classes_are_all_or_those_that_the_user_states(tmp_path):
    root = totalsegmentator_set(tmp_path)
    assert len(class_names(dataset_dir=root)) == len(class_names(layout="totalsegmentator")) == 118
    assert class_names(dataset_dir=root, stated=["background", "liver", "spleen"])[1:] == ["liver", "spleen"]


def test_without_meta_csv_all_are_for_training(tmp_path):
    root = totalsegmentator_set(tmp_path, meta=False)
    assert len(TOTALSEGMENTATOR.read(root, "training", None)) == 4
    with pytest.raises(InputError, match=r"meta\.csv: no such file; it says which subjects are 'val'"):
        read_datalist(root, section="official_validation")


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(InputError, match=r"has no subject s0000 with ct\.nii\.gz and the folder segmentations"):
        read_datalist(tmp_path, "totalsegmentator")
    root = totalsegmentator_set(tmp_path)
    (root / "s0001" / "segmentations" / "heart.nii.gz").unlink()
    with pytest.raises(InputError, match=r"s0001/segmentations/heart\.nii\.gz: no such file; 1 of 117 classes"):
        read_datalist(root)
    shutil.rmtree(root / "s0001")
    with pytest.raises(InputError, match=r"s0001: no such subject; 1 of 4 subjects of meta\.csv are missing"):
        read_datalist(root)
    (root / "s0002" / "ct.nii.gz").unlink()
    (root / "meta.csv").write_text("image_id;split\ns0000;train\ns0002;val\n", encoding="utf-8")
    with (
        pytest.raises(InputError, match=r"s0002/ct\.nii\.gz: no such file"),
        pytest.warns(UserWarning, match=r"1 subjects are not in meta\.csv and are left out: s0003"),
    ):
        read_datalist(root, section="official_validation")
    (root / "meta.csv").write_text("image_id,split\ns0000,train\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"meta\.csv: has the columns image_id,split; expected image_id and split"):
        read_datalist(root)
    (root / "meta.csv").write_text("image_id;split\ns0000;training\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"meta\.csv: has the split 'training'; expected train, val or test"):
        read_datalist(root)
