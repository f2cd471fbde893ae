"""What a run writes, and what it leaves alone: the user's files, edited results, files of a killed run."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from inference_support import Thresholds, evaluator, phantom, save

from meddino_components.data import list_cases
from meddino_components.errors import InputError
from meddino_components.files import sha256_of


class Unwanted(Thresholds):
    """A network that must not run."""

    def forward(self, x: Any) -> Any:
        raise AssertionError("computed before the output folder was checked")


def run(source: Path, out: Path, **extra: Any) -> Any:
    engine = evaluator(list_cases(source, modality="ct"), out, **extra)
    engine.run()
    return engine


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_scan_survives_a_run_into_its_own_folder(tmp_path: Path, overwrite: bool) -> None:
    scan = save(tmp_path / "in" / "scan.nii.gz")
    before = scan.read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    for out in (tmp_path / "in", tmp_path / "link", tmp_path / "in" / ".." / "in"):
        with pytest.raises(InputError, match=r"scan\.nii\.gz: is an input of this run"):
            run(scan, out, network=Unwanted(), overwrite=overwrite, writer={"overwrite": overwrite})
        assert scan.read_bytes() == before


@pytest.mark.parametrize("name", ["a.nii.gz", "a.json", "a.png", "summary.json", "summary.csv", "a.npy"])
def test_files_of_the_users_are_refused_by_name(tmp_path: Path, name: str) -> None:
    scan, out = save(tmp_path / "in" / "a.nii.gz"), tmp_path / "out"
    out.mkdir()
    (out / name).write_text("the user's")
    with pytest.raises(InputError, match=rf"{name}: not written by meddino, so never replaced"):
        run(scan, out, network=Unwanted(), overwrite=True, writer={"overlay": True, "overwrite": True},
            probabilities=True)  # fmt: skip
    assert (out / name).read_text() == "the user's"
    assert [path.name for path in out.iterdir() if path.name != ".meddino"] == [name]


def test_a_corrected_label_map_is_kept_unless_overwritten(tmp_path: Path) -> None:
    scan, out = save(tmp_path / "in" / "a.nii.gz"), tmp_path / "out"
    run(scan, out)
    run(scan, out)  # an unedited result is replaced without a question
    save(out / "a.nii.gz", phantom() * 0)
    corrected = (out / "a.nii.gz").read_bytes()
    for skip in (False, True):
        with pytest.raises(InputError, match=r"a\.nii\.gz: edited since meddino wrote it.*--overwrite"):
            run(scan, out, network=Unwanted(), skip_existing=skip)
    assert (out / "a.nii.gz").read_bytes() == corrected
    run(scan, out, overwrite=True, writer={"overwrite": True})
    np.testing.assert_array_equal(np.asarray(nib.load(out / "a.nii.gz").dataobj), phantom())


def test_the_json_names_hashes_weights_and_settings(tmp_path: Path) -> None:
    settings = {"pixdim": [0.5, 0.5], "label_names": ["background", "liver"]}
    writes = {"overlay": True, "model_sha256": "abc", "settings": settings}
    run(save(tmp_path / "in" / "a.nii.gz"), tmp_path / "out", writer=writes, probabilities=True)
    report = json.loads((tmp_path / "out" / "a.json").read_text(encoding="utf-8"))
    assert set(report["files"]) == {"a.nii.gz", "a.png", "a.npy"}
    for name, digest in report["files"].items():
        assert sha256_of(tmp_path / "out" / name) == digest
    assert report["model_sha256"] == "abc"
    assert report["settings"] == settings


def statuses(source: Path, out: Path, **writes: Any) -> list[str]:
    engine = run(source, out, skip_existing=True, writer={"model_sha256": "abc", "settings": {"pixdim": 1}, **writes})
    return [case.status for case in engine.summary.cases]


def test_skip_existing_asks_for_the_same_weights_settings_and_scan(tmp_path: Path) -> None:
    scan, out = save(tmp_path / "in" / "a.nii.gz"), tmp_path / "out"
    assert statuses(scan, out) == ["ok"]
    assert statuses(scan, out) == ["skipped"]
    assert statuses(scan, out, model_sha256="def") == ["ok"]
    assert statuses(scan, out, model_sha256="def", settings={"pixdim": 2}) == ["ok"]
    assert statuses(scan, out, model_sha256="def", settings={"pixdim": 2}) == ["skipped"]
    assert statuses(scan, out, model_sha256="def", settings={"pixdim": 2}, overlay=True) == ["ok"]
    save(scan, phantom()[::-1])
    assert statuses(scan, out, model_sha256="def", settings={"pixdim": 2}, overlay=True) == ["ok"]


@pytest.mark.parametrize("n_renames", [0, 1, 2])
def test_a_case_killed_between_its_renames_is_not_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_renames: int
) -> None:
    """Labels of one model and a JSON of another, as a kill leaves them: computed again, never skipped."""
    scan, out = save(tmp_path / "in" / "a.nii.gz"), tmp_path / "out"
    statuses(scan, out, overlay=True)
    replace, renamed = os.replace, []

    def killed(source: Any, target: Any) -> None:
        if Path(target).name.startswith("a."):
            if len(renamed) == n_renames:
                raise KeyboardInterrupt
            renamed.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        statuses(scan, out, overlay=True, model_sha256="def")
    monkeypatch.undo()
    assert len(renamed) == n_renames
    assert statuses(scan, out, overlay=True, model_sha256="def") == ["ok"]
    assert statuses(scan, out, overlay=True, model_sha256="def") == ["skipped"]


def test_a_name_that_is_not_utf8_loses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"h\xfctte $x_{$")
    save(tmp_path / "in" / "b.nii.gz").rename(tmp_path / "in" / f"{name}.nii.gz")
    save(tmp_path / "in" / "a.nii.gz")
    engine = run(tmp_path / "in", tmp_path / "out", writer={"overlay": True})
    assert engine.summary.count("ok") == 2, engine.summary.text()
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert [case["case_id"] for case in summary["cases"]] == ["a", name]
    with (tmp_path / "out" / "summary.csv").open(encoding="utf-8") as file:
        assert list(dict.fromkeys(row["case_id"] for row in csv.DictReader(file))) == ["a", "h\\udcfctte $x_{$"]
    assert (tmp_path / "out" / f"{name}.png").stat().st_size > 1000
    assert "h\\udcfctte" in capsys.readouterr().out
    again = run(tmp_path / "in", tmp_path / "out", writer={"overlay": True}, skip_existing=True)
    assert again.summary.count("skipped") == 2


def test_names_up_to_the_limit_of_the_file_system(tmp_path: Path) -> None:
    scan = save(tmp_path / "in" / f"{'x' * 248}.nii.gz")
    assert run(scan, tmp_path / "out", writer={"overlay": True}).summary.count("ok") == 1
    cases = [{"image": str(scan), "case_id": "x" * 249, "modality": "ct"}]
    with pytest.raises(InputError, match="the name has 256 bytes, but the file system allows 255"):
        evaluator(cases, tmp_path / "out", network=Unwanted()).run()
