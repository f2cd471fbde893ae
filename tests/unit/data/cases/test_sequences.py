"""Cases of several sequences: found by the names of files, in any order."""

from pathlib import Path

import numpy as np
import pytest
from brain_cases import brain_cases
from brats_volumes import NAMES_2021, NAMES_2023, brain, write_brats, write_brats_case, write_dicom_case
from set_folders import write_list

from meddino_components.data import LoadSequencesd
from meddino_components.data.cases.sequence_names import SEQUENCES
from meddino_components.errors import InputError


@pytest.mark.parametrize("names", [NAMES_2021, NAMES_2023], ids=["2021", "2023"])
@pytest.mark.parametrize("nested", [True, False], ids=["nested", "flat"])
def test_folders_of_every_year(tmp_path, names, nested):
    write_brats(tmp_path, n_cases=2, nested=nested, names=names)
    cases = brain_cases(tmp_path)
    assert [case["case_id"] for case in cases] == ["BraTS2021_00000", "BraTS2021_00001"]
    for case in cases:
        assert list(case["image"]) == list(SEQUENCES)
        assert all(Path(path).name == f"{case['case_id']}{names[name]}.nii.gz" for name, path in case["image"].items())
        assert case["modality"] == "mr"
        assert "label" not in case
        assert "problem" not in case


def test_files_in_any_order_are_one_case(tmp_path):
    paths = write_brats_case(tmp_path, "a")
    files = [paths[name] for name in SEQUENCES]
    expected = brain_cases(files)
    assert len(expected) == 1
    for order in (files[::-1], [files[2], files[0], files[3], files[1]]):
        assert brain_cases(order) == expected


def test_cases_whose_files_have_one_name_are_told_apart_by_folder(tmp_path):
    for folder in ("p1", "p2"):
        for sequence, path in write_brats_case(tmp_path / folder, "x").items():
            path.rename(path.with_name(f"{sequence}.nii.gz"))
        write_brats_case(tmp_path / folder / "later", "scan")
    assert [case["case_id"] for case in brain_cases(tmp_path)] == ["p1", "p1_later_scan", "p2", "p2_later_scan"]


def test_names_that_say_nothing_are_refused(tmp_path):
    paths = write_brats_case(tmp_path, "a")
    strange = paths["t1"].rename(tmp_path / "a_0000.nii.gz")
    files = [strange, *(paths[name] for name in SEQUENCES[1:])]
    with pytest.raises(InputError, match=r"a_0000\.nii\.gz: the name identifies no sequence"):
        brain_cases(files)
    with pytest.raises(InputError, match="the name identifies no sequence"):
        brain_cases(strange)
    for path in paths.values():
        path.unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"(no file name|the name) identifies (a|no) sequence"):
        brain_cases(tmp_path)


def test_sequences_that_are_dicom_folders(tmp_path):
    folders = write_dicom_case(tmp_path / "p1")
    write_brats_case(tmp_path / "p2", "b")
    cases = {case["case_id"]: case for case in brain_cases(tmp_path)}
    assert cases.keys() == {"p1", "b"}
    assert cases["p1"]["image"] == {name: str(folder) for name, folder in folders.items()}
    assert brain_cases(list(folders.values())[::-1])[0]["image"] == cases["p1"]["image"]
    assert brain_cases(write_list(tmp_path, test=[{"image": [f"p1/{name}" for name in folders]}])) == [cases["p1"]]
    load = LoadSequencesd("image", sequences=SEQUENCES)
    image = load(cases["p1"])["image"]
    for channel, voxels in zip(image, brain()[0].values(), strict=True):
        np.testing.assert_array_equal(channel.numpy(), voxels)
    assert [Path(file).parent for file in image.meta["dicom_files"]] == [folders["t1"]] * image.shape[-1]
