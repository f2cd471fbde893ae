"""One tidy table of a folder, kept over runs; the JSON says what the last run did and what was there before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inference_support import evaluator, save, summary_rows

from meddino_components.data import list_cases


def summary(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return content


def run(cases: Any, out: Path, **settings: Any) -> None:
    evaluator(cases, out, **settings).run()


def test_runs_add_up(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in "abc":
        save(tmp_path / "in" / f"{name}.nii.gz")
    good = (tmp_path / "in" / "b.nii.gz").read_bytes()
    (tmp_path / "in" / "b.nii.gz").write_bytes(b"")
    cases = list_cases(tmp_path / "in", modality="ct")
    run(cases[:2], out)
    first = summary_rows(out)
    assert [row["status"] for row in first if row["case_id"] == "b"] == ["failed"]
    run(cases[2:], out)  # another list, into the same folder
    found = summary(out)
    assert ([case["case_id"] for case in found["cases"]], found["failed"]) == (["c"], 0)
    assert [(case["case_id"], case["status"]) for case in found["earlier"]] == [("a", "ok"), ("b", "failed")]
    rows = summary_rows(out)
    assert [row for row in rows if row["case_id"] in "ab"] == first
    assert sorted({row["case_id"] for row in rows}) == ["a", "b", "c"]
    # what is skipped stays as it was, what failed and succeeds now is replaced
    (tmp_path / "in" / "b.nii.gz").write_bytes(good)
    run(cases, out, skip_existing=True)
    found = summary(out)
    assert ([case["status"] for case in found["cases"]], found["earlier"]) == (["skipped", "ok", "skipped"], [])
    again = summary_rows(out)
    assert [row["volume_ml"] for row in again if row["case_id"] != "b"] == [
        row["volume_ml"] for row in rows if row["case_id"] != "b"
    ]
    assert {row["status"] for row in again} == {"ok"}
    assert all(float(row["seconds"]) >= 0 for row in again)


def test_a_case_whose_name_is_a_formula(tmp_path: Path) -> None:
    save(tmp_path / "in" / "=1+1.nii.gz")
    (tmp_path / "in" / "@x.nii.gz").write_bytes(b"")
    run(list_cases(tmp_path / "in", modality="ct"), tmp_path / "out")
    assert {row["case_id"] for row in summary_rows(tmp_path / "out")} == {"'=1+1", "'@x"}
    assert summary(tmp_path / "out")["cases"][0]["case_id"] == "=1+1"
