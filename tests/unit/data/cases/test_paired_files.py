"""Images and labels are paired by the numbers in their names."""

import re

import pytest
from set_folders import touch

from meddino_components.data.cases.paired_files import image_cases, numbered_files, paired_cases
from meddino_components.errors import InputError

SCAN, MASK = re.compile(r"scan(\d+)\.nii(?:\.gz)?"), re.compile(r"mask(\d+)\.nii")


def test_pairs_in_any_folders_without_left_overs(tmp_path):
    for name in (
        "a/scan2.nii",
        "b/scan10.nii.gz",
        "mask10.nii",
        "c/mask2.nii",
        "scan3.txt",
        "._scan4.nii",
        "x_scan5.nii",
    ):
        touch(tmp_path / name)
    images, labels = numbered_files(tmp_path, SCAN, MASK)
    cases = paired_cases(tmp_path, images, labels, "mask{}.nii")
    assert {case["case_id"]: case["label"] for case in cases} == {
        "scan2": str(tmp_path / "c/mask2.nii"),
        "scan10": str(tmp_path / "mask10.nii"),
    }
    assert all("label" not in case and case["modality"] == "ct" for case in image_cases(images))


def test_a_number_twice(tmp_path):
    touch(tmp_path / "a" / "scan1.nii")
    touch(tmp_path / "b" / "scan1.nii.gz")
    with pytest.raises(InputError, match=r"b/scan1\.nii\.gz: has the same number as .*a/scan1\.nii; expected each"):
        numbered_files(tmp_path, SCAN)
