"""Summarise the cases of a run, and of earlier runs in the same folder."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..files import OutputFolder, write_csv, write_text
from ..wording import counted
from .summary_table import COLUMNS, rows_of_case

SUMMARY_FILES = ("summary.json", "summary.csv")
_MAX_ROWS = 50  # longest table that is still readable


@dataclass(frozen=True)
class CaseRecord:
    """One case: its status, how long it took, and why it failed (one line)."""

    case_id: str
    status: Literal["ok", "failed", "skipped"]
    seconds: float
    error: str = ""


@dataclass
class RunSummary:
    """The records of a run of ``n_cases``, and their two files; fewer records if a signal ended the run."""

    cases: list[CaseRecord] = field(default_factory=list)
    n_cases: int = 0
    interrupted_by: signal.Signals | None = None

    def count(self, status: str) -> int:
        """Return the number of cases with this status."""
        return sum(case.status == status for case in self.cases)

    def text(self) -> str:
        """Return lines to print: the numbers, then a table of the cases (for a long run, only those that failed)."""
        seconds = sum(case.seconds for case in self.cases)
        counts = ", ".join(f"{self.count(status)} {status}" for status in ("ok", "failed", "skipped"))
        lines = [f"{counted(len(self.cases), 'case')}: {counts}; {seconds:.1f} s"]
        if self.interrupted_by is not None:
            lines.insert(0, f"interrupted by {self.interrupted_by.name}, {self._progress}: continue with skip_existing")
        shown = [case for case in self.cases if case.status == "failed" or len(self.cases) <= _MAX_ROWS]
        width = max((len(case.case_id) for case in shown), default=0)
        lines += [f"  {c.case_id:{width}}  {c.status:7}  {c.seconds:7.1f} s  {c.error}".rstrip() for c in shown]
        return "\n".join(lines)

    @property
    def _progress(self) -> str:
        return f"{len(self.cases)} of {self.n_cases}"

    def write(self, folder: OutputFolder) -> None:
        """Write `SUMMARY_FILES`.

        ``summary.json`` contains this run's cases, and under ``earlier`` those of earlier runs that it did not touch;
        ``summary.csv`` contains the organs of both, see `summary_table`.
        """
        own = [asdict(case) for case in self.cases]
        touched = {case.case_id for case in self.cases}
        earlier = [case for case in _recorded(folder.path / "summary.json") if case["case_id"] not in touched]
        content = {
            **{status: self.count(status) for status in ("ok", "failed", "skipped")},
            "interrupted": None if self.interrupted_by is None else self._progress,
            "seconds": round(sum(case.seconds for case in self.cases), 3),
            "cases": own,
            "earlier": earlier,
        }
        rows = [row for case in (*earlier, *own) for row in rows_of_case(folder.path, case)]
        rows.sort(key=lambda row: str(row["case_id"]))
        with folder.files() as files:
            text = json.dumps(content, indent=2, ensure_ascii=False)
            write_text(files.path(folder.path / "summary.json"), text + "\n")
            with files.path(folder.path / "summary.csv").open(
                "w", newline="", encoding="utf-8", errors="backslashreplace"
            ) as file:
                write_csv(file, [COLUMNS, *([row.get(name, "") for name in COLUMNS] for row in rows)])


def _recorded(path: Path) -> list[dict[str, Any]]:
    """Return the cases of earlier runs from the last summary; none if there is no such file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cases = [*content.get("earlier", []), *content["cases"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    names = set(CaseRecord.__dataclass_fields__)
    return [dict(case) for case in cases if isinstance(case, Mapping) and names == set(case)]
