"""A row for each organ of a case, with the marks that a reader looks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inference_support import phantom, run, save, summary_rows

from meddino_components.inference.summary_table import rows_of_case


@pytest.mark.parametrize("status", ["ok", "skipped", "failed"])
def test_seconds_and_volumes_of_a_case(tmp_path: Path, status: str) -> None:
    organs = {"liver": {"label": 1, "voxels": 0, "volume_ml": 0.0}}
    regions = {"whole": {"labels": [1, 2], "voxels": 5, "volume_ml": 0.4}}
    (tmp_path / "a.json").write_text(
        json.dumps({"seconds": 8.0, "at_edge": ["liver", "whole"], "organs": organs, "regions": regions})
    )
    record = {"case_id": "a", "status": status, "seconds": 2.0, "error": "e" if status == "failed" else ""}
    rows = list(rows_of_case(tmp_path, record))
    if status == "failed":
        # the JSON is an earlier run's
        assert rows == [{"case_id": "a", "status": "failed", "seconds": 2.0, "error": "e"}]
        return
    common: dict[str, Any] = {"case_id": "a", "status": "ok", "seconds": 8.0 if status == "skipped" else 2.0}
    common |= {"error": ""}
    assert rows == [
        {**common, "organ": "liver", "kind": "label", "labels": "1", "voxels": 0, "volume_ml": 0.0, "flags": "absent"},
        {**common, "organ": "whole", "kind": "region", "labels": "1 2", "voxels": 5, "volume_ml": 0.4,
         "flags": "at_edge"},
    ]  # fmt: skip


@pytest.mark.parametrize("content", [None, "{", "[1]"])
def test_a_case_without_a_readable_json_has_one_row(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "a.json").write_text(content)
    record = {"case_id": "a", "status": "skipped", "seconds": 2.0, "error": ""}
    assert list(rows_of_case(tmp_path, record)) == [{"case_id": "a", "status": "ok", "seconds": None, "error": ""}]


def test_a_row_for_each_organ_of_a_case(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.nii.gz")
    save(tmp_path / "in" / "b.nii.gz", np.where(phantom() == 2, 0, phantom()))
    run(tmp_path / "in", tmp_path / "out")
    rows = summary_rows(tmp_path / "out")
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
    run(save(tmp_path / "a.nii.gz", voxels), tmp_path / "out")
    assert next(row["flags"] for row in summary_rows(tmp_path / "out") if row["labels"] == "1") == flag
