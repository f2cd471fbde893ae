"""What a path, a folder and a list of paths stand for."""

from __future__ import annotations

from pathlib import Path

import pytest

from meddino_components.data import list_cases
from meddino_components.errors import InputError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_nested_folder(tmp_path: Path) -> None:
    touch(
        tmp_path, "b.nii", "x/imaging.nii.gz", "y/imaging.nii.gz", "y/z/t.MHA", "s.nrrd", "notes.txt", ".x/c.nii.gz",
        "x/.b.partial.nii.gz", "series/1.dcm", "series/2.dcm", "out/b.nii.gz",
    )  # fmt: skip
    cases = list_cases(str(tmp_path), modality="CT", exclude=tmp_path / "out")
    assert {c["case_id"]: c["image"] for c in cases} == {
        "b": str(tmp_path / "b.nii"),
        "s": str(tmp_path / "s.nrrd"),
        "series": str(tmp_path / "series"),
        "x_imaging": str(tmp_path / "x/imaging.nii.gz"),
        "y_imaging": str(tmp_path / "y/imaging.nii.gz"),
        "y_z_t": str(tmp_path / "y/z/t.MHA"),
    }
    assert {c["modality"] for c in cases} == {"ct"}


def test_one_file_one_series_and_a_list(tmp_path: Path) -> None:
    touch(tmp_path, "a.b.nii.gz", "p/i.nii.gz", "q/i.nii.gz", "series/1.dcm")
    assert [c["case_id"] for c in list_cases(tmp_path / "a.b.nii.gz", modality="mr")] == ["a.b"]
    assert [c["case_id"] for c in list_cases(tmp_path / "series", modality="mr")] == ["series"]
    listed = list_cases([tmp_path / "p/i.nii.gz", tmp_path / "q/i.nii.gz"], modality="mr")
    assert [c["case_id"] for c in listed] == ["p_i", "q_i"]


@pytest.mark.parametrize(
    ("names", "source", "message"),
    [
        ([], "nothing", "no such file or folder"),
        (["a.txt"], "", "contains no image"),
        (["a.txt"], "a.txt", "unknown kind of file"),
        (["a.nii", "a.nii.gz"], "", "repeated case ids"),
        (["a_b/c.nii", "a/b_c.nii"], "", "repeated case ids"),
    ],
)
def test_wrong_sources(tmp_path: Path, names: list[str], source: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list_cases(touch(tmp_path, *names) / source, modality="ct")


def test_wrong_lists_and_modality(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="contains no image"):
        list_cases([], modality="ct")
    with pytest.raises(InputError, match="no such file"):
        list_cases([tmp_path / "a.nii.gz"], modality="ct")
    with pytest.raises(InputError, match="modality is 'pet'"):
        list_cases(touch(tmp_path, "a.nii"), modality="pet")
