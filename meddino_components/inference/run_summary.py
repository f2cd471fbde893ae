"""What became of each case of a run."""

from __future__ import annotations

import csv
import json
import signal
from dataclasses import asdict, dataclass, field
from typing import Literal

from ..files import OutputFolder, write_text

SUMMARY_FILES = ("summary.json", "summary.csv")
_MAX_ROWS = 50  # of a table that one still reads


@dataclass(frozen=True)
class CaseRecord:
    """One case: what became of it, how long it took, and why it failed (one line)."""

    case_id: str
    status: Literal["ok", "failed", "skipped"]
    seconds: float
    error: str = ""


@dataclass
class RunSummary:
    """The records of a run of ``n_cases``, and their two files; fewer records where a signal ended it."""

    cases: list[CaseRecord] = field(default_factory=list)
    n_cases: int = 0
    interrupted_by: signal.Signals | None = None

    def count(self, status: str) -> int:
        """Number of cases of this status."""
        return sum(case.status == status for case in self.cases)

    def text(self) -> str:
        """Lines to print: the numbers, then a table of the cases (of a long run, only of those that failed)."""
        seconds = sum(case.seconds for case in self.cases)
        counts = ", ".join(f"{self.count(status)} {status}" for status in ("ok", "failed", "skipped"))
        lines = [f"{len(self.cases)} cases: {counts}; {seconds:.1f} s"]
        if self.interrupted_by is not None:
            lines.insert(0, f"interrupted by {self.interrupted_by.name}, {self._progress}: go on by skip_existing")
        shown = [case for case in self.cases if case.status == "failed" or len(self.cases) <= _MAX_ROWS]
        width = max((len(case.case_id) for case in shown), default=0)
        lines += [f"  {c.case_id:{width}}  {c.status:7}  {c.seconds:7.1f} s  {c.error}".rstrip() for c in shown]
        return "\n".join(lines)

    @property
    def _progress(self) -> str:
        return f"{len(self.cases)} of {self.n_cases}"

    def write(self, folder: OutputFolder) -> None:
        """Write `SUMMARY_FILES`."""
        rows = [asdict(case) for case in self.cases]
        totals = {status: self.count(status) for status in ("ok", "failed", "skipped")}
        totals_seconds = round(sum(case.seconds for case in self.cases), 3)
        interrupted = None if self.interrupted_by is None else self._progress
        with folder.files() as files:
            text = json.dumps(
                {**totals, "interrupted": interrupted, "seconds": totals_seconds, "cases": rows},
                indent=2,
                ensure_ascii=False,
            )
            write_text(files.path(folder.path / "summary.json"), text + "\n")
            with files.path(folder.path / "summary.csv").open(
                "w", newline="", encoding="utf-8", errors="backslashreplace"
            ) as file:
                writer = csv.DictWriter(file, ["case_id", "status", "seconds", "error"])
                writer.writeheader()
                writer.writerows(rows)
