"""Cases are found by the names of files and folders, and pairs that lack one of two are refused."""

import pytest
from paired_folders import reference, write_labels, write_masks, write_pair

from meddino_components.errors import InputError
from meddino_components.evaluation.folders.volumes import label_volumes, paired, scans_of

NAMES = {1: "liver", 2: "spleen"}


def test_files_come_before_folders(tmp_path):
    write_pair(tmp_path)
    (tmp_path / "predictions" / "comparisons").mkdir()
    write_labels(tmp_path / "predictions" / "comparisons" / "x.nii.gz", reference())
    write_labels(tmp_path / "predictions" / "._a.nii.gz", reference())
    found = label_volumes(tmp_path / "predictions")
    assert found == {case: tmp_path / "predictions" / f"{case}.nii.gz" for case in "ab"}


@pytest.mark.parametrize("below", [".", "segmentations"])
def test_a_folder_for_each_case_with_a_mask_for_each_class(tmp_path, below):
    write_masks(tmp_path / "s0001" / below, reference(), NAMES)
    found = label_volumes(tmp_path)
    assert list(found) == ["s0001"]
    assert found["s0001"] == {name: tmp_path / "s0001" / below / f"{name}.nii.gz" for name in NAMES.values()}


def test_folders_without_label_maps(tmp_path):
    with pytest.raises(InputError, match=r"no such folder. Give a folder of label maps, one file for each case"):
        label_volumes(tmp_path / "lost")
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "notes.txt").write_text("none", encoding="utf-8")
    with pytest.raises(InputError, match=f"{tmp_path}: contains no label map. Expected a file for each case"):
        label_volumes(tmp_path)


def test_two_files_of_one_case(tmp_path):
    for name in ("a.nii.gz", "a.nii"):
        write_labels(tmp_path / name, reference())
    with pytest.raises(InputError, match=r"a.nii.gz: has the same name as a.nii; expected one file for each case"):
        label_volumes(tmp_path)


def test_a_case_that_one_folder_lacks(tmp_path):
    predictions, references = write_pair(tmp_path, "abc")
    (predictions / "b.nii.gz").unlink()
    message = (
        f"{predictions}: lacks 1 case of {references}: b. It has a, c. Cases are matched by the names of their files: "
        "--common_only scores the 2 that both folders have"
    )
    with pytest.raises(InputError, match=message):
        paired(predictions, references)
    (references / "c.nii.gz").unlink()
    found = paired(predictions, references, common_only=True)
    assert (list(found.volumes), found.without_prediction, found.without_reference) == (["a"], ["b"], ["c"])
    (predictions / "b.nii.gz").write_bytes((predictions / "a.nii.gz").read_bytes())
    with pytest.raises(InputError, match=f"{references}: lacks 1 case of {predictions}: c"):
        paired(predictions, references)


def test_one_folder_twice(tmp_path):
    predictions, _ = write_pair(tmp_path)
    with pytest.raises(InputError, match="predictions: is given as predictions and as references"):
        paired(predictions, predictions.parent / "." / "predictions")


def test_nothing_in_common_is_refused_at_any_rate(tmp_path):
    write_labels(tmp_path / "p" / "case_01_0000.nii.gz", reference())
    write_labels(tmp_path / "r" / "case_01.nii.gz", reference())
    for common_only in (False, True):
        with pytest.raises(InputError, match=r"Is case_01_0000 the same case\? Cases are .*: rename them"):
            paired(tmp_path / "p", tmp_path / "r", common_only=common_only)


def test_scans_have_the_names_of_cases_or_nnunets(tmp_path):
    for name in ("a_0000.nii.gz", "a_0001.nii.gz", "b.nii.gz"):
        write_labels(tmp_path / name, reference())
    assert scans_of(tmp_path, "ab") == {"a": tmp_path / "a_0000.nii.gz", "b": tmp_path / "b.nii.gz"}
    with pytest.raises(InputError, match=r"has no scan of 1 case: c; expected c or c_0000 with one of"):
        scans_of(tmp_path, "abc")
    with pytest.raises(InputError, match=r"no such folder. Give a folder of scans"):
        scans_of(tmp_path / "lost", "a")
