"""A case whose sequences are not complete has a problem that names the files and the way out."""

import nibabel as nib
import pytest
from brain_cases import brain_cases
from brats_volumes import write_brats, write_brats_case
from set_folders import write_list

from meddino_components.data import LoadSequencesd, read_datalist
from meddino_components.data.cases.sequence_names import SEQUENCES
from meddino_components.errors import InputError


def test_a_missing_sequence_names_case_and_files_and_the_way_out(tmp_path):
    write_brats(tmp_path, n_cases=2)
    lost = tmp_path / "BraTS2021_00001" / "BraTS2021_00001_t1ce.nii.gz"
    lost.rename(lost.with_name("BraTS2021_00001_contrast.nii.gz"))
    good, bad = brain_cases(tmp_path)
    assert "problem" not in good
    assert "case BraTS2021_00001 in" in bad["problem"]
    assert "t1ce missing; found BraTS2021_00001_flair.nii.gz" in bad["problem"]
    assert "(and BraTS2021_00001_contrast.nii.gz, whose name identifies no sequence)" in bad["problem"]
    assert "Add or rename the file" in bad["problem"]
    with pytest.raises(InputError, match="t1ce missing"):
        LoadSequencesd("image", sequences=SEQUENCES)(bad)
    with pytest.raises(InputError, match="t1ce missing"):
        read_datalist(tmp_path, "brats")


def test_a_sequence_there_twice_is_an_error(tmp_path):
    paths = write_brats_case(tmp_path, "a")
    nib.save(nib.load(paths["t1ce"]), tmp_path / "a_t1c.nii.gz")
    (case,) = brain_cases(tmp_path)
    assert "case a in" in case["problem"]
    assert "t1ce was found 2 times (a_t1c.nii.gz, a_t1ce.nii.gz)" in case["problem"]


def test_one_file_for_two_sequences_is_an_error(tmp_path):
    images = {"t1": "a.nii.gz", "t1ce": "b.nii.gz", "t2": "c.nii.gz", "flair": "a.nii.gz"}
    (case,) = brain_cases(write_list(tmp_path, training=[{"image": images, "case_id": "x"}]))
    assert "case x of" in case["problem"]
    assert "a.nii.gz is given for t1 and flair" in case["problem"]
