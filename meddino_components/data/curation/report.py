"""Report the cases that a curation included and skipped, as text and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...files import ResultFiles, write_text
from ...wording import counted
from ..slice_store.store import VolumeRecord
from .sources import SourceCase

REPORT_FILES = ("report.json", "report.txt")


class CurationReport:
    """Collects cases and writes `REPORT_FILES`.

    Attributes:
        warnings: warnings about cases that were included nevertheless.
        unused_exclusions: lines of the exclusion list that matched nothing.
    """

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.unused_exclusions: list[str] = []
        self._taken: list[dict[str, Any]] = []
        self._skipped: list[dict[str, str]] = []

    def take(self, case: SourceCase, record: VolumeRecord, changed: dict[str, int]) -> None:
        """Record a case whose slices are in the store; ``changed`` counts voxels that were not stored exactly."""
        self._taken.append(
            {
                "source_set": case.source_set,
                "case_id": case.case_id,
                "file": case.file,
                "modality": case.modality,
                "slices": record.shape[0],
                "air_slices_dropped": record.source_slices - record.shape[0],
                "rows": record.shape[1],
                "columns": record.shape[2],
                "spacing_mm": [round(value, 4) for value in record.spacing_mm],
                "changed_voxels": changed,
                "sha256": record.sha256,
            }
        )

    def skip(self, case: SourceCase, kind: str, why: str) -> None:
        """Record a case that is not in the store."""
        names = {"source_set": case.source_set, "case_id": case.case_id, "file": case.file}
        self._skipped.append({**names, "kind": kind, "why": why})

    def totals(self) -> dict[str, Any]:
        changed: Counter[str] = Counter()
        for row in self._taken:
            changed.update(row["changed_voxels"])
        return {
            "cases_taken": len(self._taken),
            "slices": sum(row["slices"] for row in self._taken),
            "air_slices_dropped": sum(row["air_slices_dropped"] for row in self._taken),
            "changed_voxels": dict(sorted(changed.items())),
            "cases_skipped": dict(sorted(Counter(row["kind"] for row in self._skipped).items())),
        }

    def write(self, root: Path) -> str:
        """Write both files; return the first part of the text."""
        content = {
            "totals": self.totals(),
            "unused_exclusions": self.unused_exclusions,
            "warnings": self.warnings,
            "skipped": self._skipped,
            "taken": self._taken,
        }
        summary = self._summary()
        text = "\n\n".join([summary, *self._tables()])
        with ResultFiles() as files:
            write_text(files.path(root / "report.json"), json.dumps(content, indent=2, ensure_ascii=False) + "\n")
            write_text(files.path(root / "report.txt"), text + "\n")
        return f"{summary}\nreport: {root / 'report.txt'}"

    def _summary(self) -> str:
        totals = self.totals()
        lines = [
            f"{counted(totals['cases_taken'], 'case')} with {counted(totals['slices'], 'slice')} taken, "
            f"{counted(totals['air_slices_dropped'], 'slice')} of air dropped"
        ]
        for kind, count in totals["cases_skipped"].items():
            lines.append(f"{counted(count, 'case')} skipped: {kind}")
        for reason, count in totals["changed_voxels"].items():
            lines.append(f"{counted(count, 'voxel')} {reason}")
        if self.unused_exclusions:
            shown = ", ".join(f"'{line}'" for line in self.unused_exclusions[:5])
            n_lines = counted(len(self.unused_exclusions), "line")
            lines.append(f"{n_lines} of the exclusion list matched no case: {shown}")
        return "\n".join(lines)

    def _tables(self) -> list[str]:
        tables = []
        if self._skipped:
            rows = [(row["kind"], row["source_set"], row["case_id"], row["why"]) for row in self._skipped]
            tables.append(_table(("skipped", "source set", "case", "why"), rows))
        if self.warnings:
            tables.append("\n".join(["warnings", *self.warnings]))
        if self._taken:
            rows = []
            for row in self._taken:
                size = f"{row['rows']} x {row['columns']} x {row['slices']}"
                spacing = " x ".join(f"{value:.3g}" for value in row["spacing_mm"])
                rows.append((row["modality"], row["source_set"], row["case_id"], f"{size}, {spacing} mm"))
            tables.append(_table(("taken", "source set", "case", "rows x columns x slices"), rows))
        return tables


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Format columns side by side; the last one is not padded."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head) - 1)]

    def line(row: tuple[str, ...]) -> str:
        return "  ".join([*(value.ljust(width) for value, width in zip(row, widths, strict=False)), row[-1]])

    return "\n".join([line(head), *map(line, rows)])
