"""One tidy table of a folder, kept over runs; the JSON says what the last run did and what was there before."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inference_support import evaluator, phantom, save

from meddino_components.data import list_cases


def table(out: Path) -> list[dict[str, str]]:
    with (out / "summary.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def summary(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return content


def run(cases: Any, out: Path, **settings: Any) -> None:
    evaluator(cases, out, **settings).run()


def test_a_row_for_each_organ_of_a_case(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.nii.gz")
    save(tmp_path / "in" / "b.nii.gz", np.where(phantom() == 2, 0, phantom()))
    run(list_cases(tmp_path / "in", modality="ct"), tmp_path / "out")
    rows = table(tmp_path / "out")
    organs = json.loads((tmp_path / "out" / "a.json").read_text(encoding="utf-8"))["organs"]
    assert [(row["case_id"], row["organ"]) for row in rows] == [(case, name) for case in "ab" for name in organs]
    for row, (_name, facts) in zip(rows, organs.items(), strict=False):
        assert (row["status"], row["kind"], row["error"]) == ("ok", "label", "")
        assert float(row["volume_ml"]) == facts["volume_ml"]
        assert (int(row["voxels"]), int(row["labels"])) == (facts["voxels"], facts["label"])
    flags = {(row["case_id"], row["labels"]): row["flags"] for row in rows}
    assert flags["b", "2"] == "absent"
    assert flags["a", "2"] != "absent"


@pytest.mark.parametrize(("plane", "flag"), [(0, "at_edge"), (1, "")])
def test_an_organ_that_the_scan_cuts_is_marked(tmp_path: Path, plane: int, flag: str) -> None:
    voxels = np.zeros((8, 9, 7), np.float32)
    voxels[2:4, 3:5, plane : plane + 2] = 1
    run(list_cases(save(tmp_path / "a.nii.gz", voxels), modality="ct"), tmp_path / "out")
    assert next(row["flags"] for row in table(tmp_path / "out") if row["labels"] == "1") == flag


def test_runs_add_up(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in "abc":
        save(tmp_path / "in" / f"{name}.nii.gz")
    good = (tmp_path / "in" / "b.nii.gz").read_bytes()
    (tmp_path / "in" / "b.nii.gz").write_bytes(b"")
    cases = list_cases(tmp_path / "in", modality="ct")
    run(cases[:2], out)
    first = table(out)
    assert [row["status"] for row in first if row["case_id"] == "b"] == ["failed"]
    run(cases[2:], out)  # another list, into the same folder
    found = summary(out)
    assert ([case["case_id"] for case in found["cases"]], found["failed"]) == (["c"], 0)
    assert [(case["case_id"], case["status"]) for case in found["earlier"]] == [("a", "ok"), ("b", "failed")]
    rows = table(out)
    assert [row for row in rows if row["case_id"] in "ab"] == first
    assert sorted({row["case_id"] for row in rows}) == ["a", "b", "c"]
    # what is skipped stays as it was, what failed and succeeds now is replaced
    (tmp_path / "in" / "b.nii.gz").write_bytes(good)
    run(cases, out, skip_existing=True)
    found = summary(out)
    assert ([case["status"] for case in found["cases"]], found["earlier"]) == (["skipped", "ok", "skipped"], [])
    again = table(out)
    assert [row["volume_ml"] for row in again if row["case_id"] != "b"] == [
        row["volume_ml"] for row in rows if row["case_id"] != "b"
    ]
    assert {row["status"] for row in again} == {"ok"}
    assert all(float(row["seconds"]) >= 0 for row in again)


def test_a_case_whose_name_is_a_formula(tmp_path: Path) -> None:
    save(tmp_path / "in" / "=1+1.nii.gz")
    (tmp_path / "in" / "@x.nii.gz").write_bytes(b"")
    run(list_cases(tmp_path / "in", modality="ct"), tmp_path / "out")
    assert {row["case_id"] for row in table(tmp_path / "out")} == {"'=1+1", "'@x"}
    assert summary(tmp_path / "out")["cases"][0]["case_id"] == "=1+1"
