"""Folders of scans with links, and with what macOS leaves in them."""

import json
import os

import pytest
from brain_cases import brain_cases
from brats_volumes import write_brats
from volume_files import ct_voxels, save_nifti, write_dicom_series

from meddino_components.data import LoadVolumed, list_cases, read_datalist
from meddino_components.errors import InputError


def test_linked_folders_are_followed_and_circles_end(tmp_path):
    save_nifti(tmp_path / "store" / "p1" / "scan.nii.gz", ct_voxels())
    write_dicom_series(tmp_path / "store" / "p2", ct_voxels())
    root = tmp_path / "in"
    (root / "own").mkdir(parents=True)
    for name in ("p1", "p2"):
        os.symlink(tmp_path / "store" / name, root / name)
    os.symlink(root, root / "own" / "circle")
    os.symlink("..", root / "own" / "up")
    assert [case["case_id"] for case in list_cases(root, modality="ct")] == ["p1_scan", "p2"]
    os.symlink(tmp_path / "missing.nii.gz", root / "gone.nii.gz")
    with pytest.raises(InputError, match=r"gone\.nii\.gz: no such file"):
        list_cases(root, modality="ct")


def test_the_output_folder_is_passed_over_behind_a_link_too(tmp_path):
    save_nifti(tmp_path / "in" / "a.nii.gz", ct_voxels())
    save_nifti(tmp_path / "out" / "a.nii.gz", ct_voxels())
    os.symlink(tmp_path / "out", tmp_path / "in" / "results")
    assert len(list_cases(tmp_path / "in", modality="ct", exclude=tmp_path / "out")) == 1


def leave_mac_files(root):
    for path in [path for path in root.rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7 Mac OS X")
        copy = root / "__MACOSX" / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(b"\0\5\x16\7")


def test_left_overs_are_no_scans(tmp_path):
    save_nifti(tmp_path / "a" / "scan.nii.gz", ct_voxels())
    write_dicom_series(tmp_path / "a" / "s", ct_voxels())
    leave_mac_files(tmp_path / "a")
    assert [case["case_id"] for case in list_cases(tmp_path / "a", modality="ct")] == ["s", "scan"]
    write_brats(tmp_path / "b", n_cases=2)
    leave_mac_files(tmp_path / "b")
    assert [case.get("problem") for case in brain_cases(tmp_path / "b")] == [None, None]


def test_left_overs_are_no_labels_of_an_nnunet_folder(tmp_path):
    for number in range(6):
        save_nifti(tmp_path / "imagesTr" / f"c{number}_0000.nii.gz", ct_voxels())
        save_nifti(tmp_path / "labelsTr" / f"c{number}.nii.gz", (ct_voxels() > 0).astype("uint8"))
    content = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "x": 1}, "numTraining": 6}
    (tmp_path / "dataset.json").write_text(json.dumps({**content, "file_ending": ".nii.gz"}))
    leave_mac_files(tmp_path)
    cases = read_datalist(tmp_path, "nnunet_raw", "all_labelled")
    assert [case["case_id"] for case in cases] == [f"c{number}" for number in range(6)]


def test_a_series_in_two_folders_is_refused_and_the_others_go_on(tmp_path):
    write_dicom_series(tmp_path / "a", ct_voxels(), skip=(3, 4))
    write_dicom_series(tmp_path / "b", ct_voxels(), skip=(0, 1, 2))
    write_dicom_series(tmp_path / "c", ct_voxels(), series_uid="1.2.3")
    cases = {case["case_id"]: case for case in list_cases(tmp_path)}
    for name in ("a", "b"):
        with pytest.raises(InputError, match=r"spread over 2 folders.*a \(3 slices\), .*b \(2 slices\)"):
            LoadVolumed("image")(cases[name])
    assert LoadVolumed("image")(cases["c"])["image"].shape == (1, 24, 20, 5)
    chosen = list_cases(tmp_path, series_uid="1.2.3")
    assert [(case["case_id"], "problem" in case) for case in chosen] == [("c", False)]


def test_a_copy_of_a_series_is_whole(tmp_path):
    for name in ("a", "b"):
        write_dicom_series(tmp_path / name, ct_voxels())
    assert not any("problem" in case for case in list_cases(tmp_path))
