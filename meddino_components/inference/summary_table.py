"""Make ``summary.csv``, which has one row per organ and case of a folder of results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

COLUMNS = ("case_id", "status", "seconds", "organ", "kind", "labels", "voxels", "volume_ml", "flags", "error")
ABSENT = "absent"
AT_EDGE = "at_edge"


def rows_of_case(folder: Path, record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a case; one row without an organ if nothing was written.

    A skipped case is ``ok``: its files come from an earlier run with the same weights and settings.

    Args:
        folder: folder that contains ``<case>.json``.
        record: record with ``case_id``, ``status``, ``seconds`` and ``error`` of the case.
    """
    failed = record["status"] == "failed"
    report = {} if failed else _report(folder / f"{record['case_id']}.json")
    case = {
        "case_id": record["case_id"],
        "status": "failed" if failed else "ok",
        "seconds": report.get("seconds") if record["status"] == "skipped" else record["seconds"],
        "error": record["error"],
    }
    at_edge = set(report.get("at_edge") or ())
    found = [
        {
            **case,
            "organ": name,
            "kind": kind,
            "labels": " ".join(map(str, facts.get("labels") or [facts.get("label")])),
            "voxels": facts["voxels"],
            "volume_ml": facts["volume_ml"],
            "flags": " ".join(_flags(name, facts, at_edge)),
        }
        for kind, section in (("label", "organs"), ("region", "regions"))
        for name, facts in (report.get(section) or {}).items()
    ]
    yield from found or [case]


def _flags(name: str, facts: Mapping[str, Any], at_edge: set[str]) -> Iterator[str]:
    if not facts["voxels"]:
        yield ABSENT
    elif name in at_edge:
        yield AT_EDGE


def _report(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
