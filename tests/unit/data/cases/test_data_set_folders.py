"""A data set's folder as something to segment: its images, called as its labels are called."""

import warnings

import pytest
from set_folders import amos_set, msd_set, nnunet_set, touch

from meddino_components.data import list_cases
from meddino_components.errors import InputError


def listed(source, **settings):
    return [case["case_id"] for case in list_cases(source, modality="ct", **settings)]


def test_images_of_nnunet_are_called_as_their_labels(tmp_path):
    root = nnunet_set(tmp_path / "Dataset001_X")
    touch(root / "imagesTs" / "case_c_0000.nii.gz")
    touch(root / "labelsTs" / "case_c.nii.gz")
    touch(root / "labelsVa" / "x.nii.gz")
    with pytest.warns(UserWarning, match="labelsTr, labelsTs, labelsVa contain labels, not scans, and are skipped"):
        assert listed(root) == ["case_a", "case_b", "case_c"]
    assert listed(root / "imagesTs") == listed(root / "imagesTs" / "case_c_0000.nii.gz") == ["case_c"]
    assert listed([root / "imagesTs" / "case_c_0000.nii.gz", root / "imagesTr" / "case_a_0000.nii.gz"]) == [
        "case_c",
        "case_a",
    ]
    with pytest.warns(UserWarning, match="are skipped"):
        assert listed(tmp_path)[0] == "Dataset001_X_case_a"
    # two that are called alike keep their folders
    touch(root / "imagesTs" / "case_a_0000.nii.gz")
    assert listed([*sorted((root / "imagesTs").iterdir()), root / "imagesTr" / "case_a_0000.nii.gz"]) == [
        "imagesTs_case_a_0000",
        "case_c",
        "imagesTr_case_a_0000",
    ]
    with pytest.raises(
        InputError, match=r"labelsTr: contains labels, not scans\. Give the folder of images next to it"
    ):
        listed(root / "labelsTr")


@pytest.mark.parametrize("make", [msd_set, amos_set])
def test_the_decathlon_and_amos(tmp_path, make):
    root = make(tmp_path)
    names = sorted(path.name.removesuffix(".nii.gz") for path in (root / "imagesTr").iterdir())
    with pytest.warns(UserWarning, match="labelsTr"):
        assert sorted(listed(root)) == names


def test_images_of_nnunet_without_their_data_set(tmp_path):
    touch(tmp_path / "imagesTs" / "a_0000.nii.gz")
    assert listed(tmp_path) == ["a"]
    touch(tmp_path / "imagesTs" / "a_0001.nii.gz")  # a second channel, or numbers
    assert listed(tmp_path) == ["imagesTs_a_0000", "imagesTs_a_0001"]


def test_channels_of_a_set_with_several_stay_apart(tmp_path):
    nnunet_set(tmp_path, channels={"0": "T1", "1": "T2"})
    touch(tmp_path / "imagesTr" / "case_a_0001.nii.gz")
    assert listed(tmp_path / "imagesTr")[:2] == ["case_a_0000", "case_a_0001"]


def test_other_folders_and_numbered_files_are_left_as_they_are(tmp_path):
    for name in ("labels/a.nii.gz", "scan_0000.nii.gz", "x/imagesTr_old/b_0000.nii.gz"):
        touch(tmp_path / name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert listed(tmp_path) == ["labels_a", "scan_0000", "x_imagesTr_old_b_0000"]
