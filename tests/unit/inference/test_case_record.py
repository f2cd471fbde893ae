"""A case's JSON says from what and by what its files were made, and whether they are complete."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from inference_support import phantom, run, save

from meddino_components.files import sha256_of
from meddino_components.inference.case_pictures import DrawnCase


class Stamp:
    """A picture that costs nothing."""

    name = "stamp"

    def draw(self, path: Path, case: DrawnCase) -> None:
        path.write_bytes(case.case_id.encode())


STAMPED = {"pictures": [Stamp()]}


def statuses(source: Path, out: Path, **writes: Any) -> list[str]:
    engine = run(source, out, skip_existing=True, writer={"model_sha256": "abc", "settings": {"pixdim": 1}, **writes})
    return [case.status for case in engine.summary.cases]


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


def test_skip_existing_asks_for_the_same_weights_settings_and_scan(tmp_path: Path) -> None:
    scan, out = save(tmp_path / "in" / "a.nii.gz"), tmp_path / "out"
    assert statuses(scan, out) == ["ok"]
    assert statuses(scan, out) == ["skipped"]
    assert statuses(scan, out, model_sha256="def") == ["ok"]
    assert statuses(scan, out, model_sha256="def", settings={"pixdim": 2}) == ["ok"]
    assert statuses(scan, out, model_sha256="def", settings={"pixdim": 2}) == ["skipped"]
    assert statuses(scan, out, model_sha256="def", settings={"pixdim": 2}, **STAMPED) == ["ok"]
    save(scan, phantom()[::-1])
    assert statuses(scan, out, model_sha256="def", settings={"pixdim": 2}, **STAMPED) == ["ok"]


@pytest.mark.parametrize("n_renames", [0, 1, 2])
def test_a_case_killed_between_its_renames_is_not_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_renames: int
) -> None:
    """Labels of one model and a JSON of another, as a kill leaves them: computed again, never skipped."""
    scan, out = save(tmp_path / "in" / "a.nii.gz"), tmp_path / "out"
    statuses(scan, out, **STAMPED)
    replace, renamed = os.replace, []

    def killed(source: Any, target: Any) -> None:
        if Path(target).name.startswith("a"):
            if len(renamed) == n_renames:
                raise KeyboardInterrupt
            renamed.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        statuses(scan, out, **STAMPED, model_sha256="def")
    monkeypatch.undo()
    assert len(renamed) == n_renames
    assert statuses(scan, out, **STAMPED, model_sha256="def") == ["ok"]
    assert statuses(scan, out, **STAMPED, model_sha256="def") == ["skipped"]
