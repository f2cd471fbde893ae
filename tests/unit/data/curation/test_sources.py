import json
import os

import numpy as np
import pytest
from volume_files import ct_voxels, save_nifti, write_dicom_series

from meddino_components.data.curation.sources import list_source_cases
from meddino_components.errors import InputError

CT = ct_voxels()


def listed(sources, modality="ct"):
    return [(c.source_set, c.case_id, c.file, c.modality) for c in list_source_cases(sources, modality)]


def test_a_folder_tree_of_every_kind(tmp_path):
    root = tmp_path / "My scans ü"
    save_nifti(root / "p1" / "imaging.nii.gz", CT)
    save_nifti(root / "p2" / "imaging.nii.gz", CT)
    write_dicom_series(root / "p3" / "series", CT)
    assert listed(root) == [
        ("My scans ü", "p1_imaging", "p1/imaging.nii.gz", "ct"),
        ("My scans ü", "p2_imaging", "p2/imaging.nii.gz", "ct"),
        ("My scans ü", "p3_series", "p3/series", "ct"),
    ]
    assert [case[0] for case in listed({"named": root / "p1", "b": str(root / "p3")}, "CT")] == ["named", "b"]
    assert listed(root / "p1" / "imaging.nii.gz", "mr") == [("imaging", "imaging", "imaging.nii.gz", "mr")]


def test_nnunet_and_decathlon_sets_with_their_test_images(tmp_path):
    nnunet, msd = tmp_path / "Dataset001_X", tmp_path / "Task09_Spleen"
    for name in ("imagesTr/a_0000", "labelsTr/a", "imagesTs/b_0000"):
        save_nifti(nnunet / f"{name}.nii.gz", CT)
    description = {"channel_names": {"0": "CT"}, "labels": {"background": 0}, "file_ending": ".nii.gz"}
    (nnunet / "dataset.json").write_text(json.dumps(description))
    for name in ("imagesTr/s_1", "labelsTr/s_1", "imagesTs/s_2"):
        save_nifti(msd / f"{name}.nii.gz", CT)
    pairs = [{"image": "./imagesTr/s_1.nii.gz", "label": "./labelsTr/s_1.nii.gz"}]
    description = {"modality": {"0": "CT"}, "training": pairs, "test": ["./imagesTs/s_2.nii.gz"]}
    (msd / "dataset.json").write_text(json.dumps(description))
    assert listed([nnunet, msd], None) == [
        ("Dataset001_X", "a", "imagesTr/a_0000.nii.gz", "ct"),
        ("Dataset001_X", "b", "imagesTs/b_0000.nii.gz", "ct"),
        ("Task09_Spleen", "s_1", "imagesTr/s_1.nii.gz", "ct"),
        ("Task09_Spleen", "s_2", "imagesTs/s_2.nii.gz", "ct"),
    ]
    with pytest.raises(InputError, match="'CT' but the modality given is 'mr'"):
        listed(msd, "mr")
    (msd / "imagesTs" / "s_2.nii.gz").unlink()
    with pytest.raises(InputError, match=r"1 listed file cannot be found.*s_2"):
        listed(msd)


def test_the_phantoms_of_this_project_are_an_amos_set(phantoms):
    cases = listed(phantoms, None)
    assert len(cases) == 6
    assert {case[3] for case in cases} == {"ct"}


def test_data_lists(tmp_path):
    path = tmp_path / "list.json"
    entries = ["images/a.nii.gz", {"image": "images/b.nii.gz", "modality": "mr", "case_id": "second"}]
    path.write_text(json.dumps({"name": "x", "training": entries[:1], "test": entries[1:]}))
    with pytest.raises(InputError, match=r"'images/a\.nii\.gz' states no modality"):
        listed(path, None)
    with pytest.raises(InputError, match="says 'mr', but modality is 'ct'"):
        listed(path, "ct")
    path.write_text(json.dumps([{"image": "images/a.nii.gz", "modality": "ct"}, entries[1]]))
    assert listed(path, None) == [
        ("list", "images_a", "images/a.nii.gz", "ct"),
        ("list", "second", "images/b.nii.gz", "mr"),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "lists no images"),
        ({"training": []}, "lists no images"),
        ([3], "entry 3; expected a path"),
        (["a.nii.gz", "a.nii.gz"], "repeated case ids: 1, the first one 'a'"),
        (
            [{"image": "a.nii", "case_id": "x"}, {"image": "b.nii", "case_id": "X"}],
            "repeated case ids: 1, the first one 'x'",
        ),
        ([{"image": "a.nii", "modality": "pet"}], "expected 'ct' or 'mr'"),
    ],
)
def test_data_lists_that_cannot_be(tmp_path, content, said):
    path = tmp_path / "list.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=said):
        listed(path)


def test_sources_that_cannot_be(tmp_path):
    save_nifti(tmp_path / "a" / "images" / "1.nii.gz", CT)
    save_nifti(tmp_path / "b" / "images" / "1.nii.gz", CT)
    with pytest.raises(InputError, match="two sources are named 'images': give them different names"):
        listed([tmp_path / "a" / "images", tmp_path / "b" / "images"])
    with pytest.raises(InputError, match="lost: no such file or folder"):
        listed(tmp_path / "lost")
    with pytest.raises(InputError, match="no sources given"):
        listed([])
    with pytest.raises(InputError, match="no modality is stated"):
        listed(tmp_path / "a", None)
    with pytest.raises(InputError, match="expected 'ct' or 'mr'"):
        listed(tmp_path / "a", "xr")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="contains no image"):
        listed(tmp_path / "empty")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        listed(tmp_path / "broken.json")


def test_the_key_changes_with_the_file_and_not_with_its_place(tmp_path):
    for name in ("here", "there"):
        save_nifti(tmp_path / name / "set" / "1.nii.gz", CT)
    there = tmp_path / "there" / "set" / "1.nii.gz"
    there.write_bytes((tmp_path / "here" / "set" / "1.nii.gz").read_bytes())
    stat = (tmp_path / "here" / "set" / "1.nii.gz").stat()
    os.utime(there, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    keys = [list_source_cases(tmp_path / name / "set", "ct")[0].key() for name in ("here", "there")]
    assert keys[0] == keys[1]
    save_nifti(there, np.roll(CT, 1, axis=0))
    assert list_source_cases(tmp_path / "there" / "set", "ct")[0].key() != keys[0]
    there.unlink()
    (tmp_path / "list.json").write_text(json.dumps(["there/set/1.nii.gz"]))
    assert list_source_cases(tmp_path / "list.json", "ct")[0].key() is None
