"""Folders of DICOM files: which files, which series, which modality."""

import shutil

import pytest
from volume_files import PATIENT, SERIES_UID, ct_voxels, write_dicom_series, write_report

from meddino_components.data import LoadVolumed, list_cases, list_series
from meddino_components.data.volumes.dicom import choose_series, is_dicom_file
from meddino_components.errors import InputError

CT = ct_voxels()
OTHER = SERIES_UID + "7"


def load(folder, **case):
    return LoadVolumed(keys="image")({"image": str(folder), **case})


@pytest.mark.parametrize("name", ["{:03d}.dcm", "IM{:06d}", "1.2.840.{}", "{}.ima"])
@pytest.mark.parametrize("preamble", [True, False])
def test_files_of_any_name_in_a_tree(tmp_path, name, preamble):
    if not preamble and name.startswith("1.2"):
        pytest.skip("without preamble and with an unknown suffix nothing says what it is")
    folder = write_dicom_series(tmp_path / "a" / "b", CT, name=name, preamble=preamble)
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (folder / "notes.txt").write_text("DICM")
    (tmp_path / "a" / "README").write_text("no image")
    assert list_cases(tmp_path) == [{"image": str(folder), "case_id": "a_b"}]
    loaded = load(folder)
    assert (loaded["image"].numpy()[0] == CT).all()
    assert loaded["modality"] == "ct"
    assert not any(is_dicom_file(folder / name) for name in ("DICOMDIR", "notes.txt"))


def test_several_series_are_listed_and_asked_for_by_uid(tmp_path):
    write_dicom_series(tmp_path / "s", CT, thickness=4)
    write_dicom_series(tmp_path / "s", CT[:, :, :2], series_uid=OTHER, modality="MR", name="x{}")
    first, second = (one.describe() for one in list_series(tmp_path / "s"))
    assert first == f"{SERIES_UID}: CT, 5 slices, 24 x 20, 0.7 x 0.9 mm, slices of 4 mm"
    assert second == f"{OTHER}: MR, 2 slices, 24 x 20, 0.7 x 0.9 mm"
    with pytest.raises(InputError, match="2 DICOM series") as error:
        load(tmp_path / "s")
    assert first in str(error.value)
    assert second in str(error.value)
    (case,) = list_cases(tmp_path, series_uid=OTHER)
    assert load(case["image"], series_uid=case["series_uid"])["image"].shape[-1] == 2
    with pytest.raises(InputError, match=r"no series has the UID 1\.9"):
        list_cases(tmp_path, series_uid="1.9")
    with pytest.raises(InputError, match="repeated case ids"):  # one folder is one case
        list_cases(tmp_path, series_uid=[SERIES_UID, OTHER])
    assert not any(value in str(error.value) for value in PATIENT.values())


def test_reports_and_segmentations_beside_a_scan_are_passed_over(tmp_path):
    write_dicom_series(tmp_path, CT)
    write_report(tmp_path / "report.dcm")
    write_dicom_series(tmp_path, CT[:, :, :1], series_uid=OTHER, modality="SEG", name="seg.dcm")
    assert choose_series(tmp_path).uid == SERIES_UID


@pytest.mark.parametrize("size", [0, 700, 900])
def test_a_truncated_slice_is_no_missing_slice(tmp_path, size):
    write_dicom_series(tmp_path, CT)
    last = tmp_path / "004.dcm"
    last.write_bytes(last.read_bytes()[:size])
    with pytest.raises(InputError, match=r"004\.dcm: cannot be read"):
        load(tmp_path)


def test_the_tag_says_the_modality_and_may_not_be_contradicted(tmp_path):
    ct, mr = write_dicom_series(tmp_path / "c", CT), write_dicom_series(tmp_path / "m", CT, modality="MR", slope=None)
    other = write_dicom_series(tmp_path / "o", CT, modality="OT")
    pet = write_dicom_series(tmp_path / "p", CT, modality="PT")
    assert [load(folder)["modality"] for folder in (ct, mr)] == ["ct", "mr"]
    assert load(other, modality="mr")["modality"] == "mr"
    for folder, stated in ((ct, "mr"), (mr, "ct"), (pet, "ct")):
        with pytest.raises(InputError, match=f"given as '{stated}', but the DICOM files say"):
            load(folder, modality=stated)
    for folder in (other, pet):
        with pytest.raises(InputError, match="neither CT nor MR"):
            load(folder)


def test_wrong_sources(tmp_path):
    folder = write_dicom_series(tmp_path / "s", CT)
    with pytest.raises(InputError, match="one file of a DICOM series"):
        list_cases(folder / "000.dcm")
    (tmp_path / "e").mkdir()
    with pytest.raises(InputError, match="contains no DICOM image"):
        choose_series(tmp_path / "e")
    with pytest.raises(InputError, match="contains no DICOM file itself"):
        list_cases([tmp_path / "e", folder])
    shutil.copy(folder / "000.dcm", tmp_path / "e" / "a.dcm")
    assert [case["case_id"] for case in list_cases([tmp_path / "e", folder])] == ["e", "s"]
    (tmp_path / "v.nii").touch()
    with pytest.raises(InputError, match="Set the modality"):
        list_cases(tmp_path / "v.nii")
