"""Scores of encoders and controls as JSON, CSV, Markdown, LaTeX and a picture."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ..atomic_files import AtomicFiles
from .classification_scores import METRICS, Interval, Metric

_HEADS: dict[Metric, str] = {"auc": "AUC", "accuracy": "accuracy", "f1": "F1"}


@dataclass(frozen=True)
class Row:
    """One encoder under one probe.

    Attributes:
        encoder: name.
        is_control: random weights or raw pixels.
        probe: "knn", "linear" or "logistic".
        scores: by metric.
        gains: of the AUC over each control.
    """

    encoder: str
    is_control: bool
    probe: str
    scores: Mapping[Metric, Interval]
    gains: Mapping[str, Interval]


def write_tables(folder: Path, rows: Sequence[Row], facts: Mapping[str, Any]) -> None:
    """Write ``classification.json``, ``.csv``, ``.md``, ``.tex`` and ``.png`` together.

    Args:
        folder: made where it is missing.
        rows: in the order of the tables.
        facts: what the scores are of, for heading and JSON.
    """
    folder.mkdir(parents=True, exist_ok=True)
    heading = _heading(facts)
    with AtomicFiles() as files:
        for suffix, text in (
            ("json", json.dumps({**facts, "rows": [_plain(row) for row in rows]}, indent=2, ensure_ascii=False) + "\n"),
            ("csv", _csv(rows)),
            ("md", _markdown(rows, heading)),
            ("tex", _latex(rows, heading)),
        ):
            files.path(folder / f"classification.{suffix}").write_text(text, encoding="utf-8")
        _draw(files.path(folder / "classification.png"), rows, heading)


def _heading(facts: Mapping[str, Any]) -> str:
    samples = facts["samples"]
    parts = [
        f"{facts['set']}, {facts['size_px']} px",
        f"{samples['train']} training, {samples['test']} test samples of {facts['test_patients']} patients",
    ]
    if n := sum(facts["unreadable"].values()):
        parts.append(f"{n} samples unreadable and left out")
    if facts["within_one_patient"]:
        parts.append("WITHIN ONE PATIENT: training and test share patients")
    return "; ".join(parts)


def _plain(row: Row) -> dict[str, Any]:
    def numbers(intervals: Mapping[Any, Interval]) -> dict[str, Any]:
        return {name: {"value": i.value, "low": i.low, "high": i.high} for name, i in intervals.items()}

    return {
        "encoder": row.encoder,
        "is_control": row.is_control,
        "probe": row.probe,
        "scores": numbers(row.scores),
        "auc_gain_over": numbers(row.gains),
    }


def _csv(rows: Sequence[Row]) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["encoder", "control", "probe", *(f"{m}{end}" for m in METRICS for end in ("", "_low", "_high"))])
    for row in rows:
        values = [v for m in METRICS for i in (row.scores[m],) for v in (i.value, i.low, i.high)]
        writer.writerow([row.encoder, int(row.is_control), row.probe, *(f"{v:.6g}" for v in values)])
    return text.getvalue()


def _cells(row: Row, controls: Sequence[str]) -> list[str]:
    cells = [f"{i.value:.3f} ({i.low:.3f} to {i.high:.3f})" for i in (row.scores[m] for m in METRICS)]
    gains = (row.gains.get(name) for name in controls)
    return cells + [f"{g.value:+.3f} ({g.low:+.3f} to {g.high:+.3f})" if g else "" for g in gains]


def _controls(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.encoder for row in rows if row.is_control))


def _markdown(rows: Sequence[Row], heading: str) -> str:
    controls = _controls(rows)
    head = ["encoder", "probe", *(_HEADS[m] for m in METRICS), *(f"AUC over {name}" for name in controls)]
    lines = [f"{heading}. In brackets: 95 % intervals.", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    lines += [f"| {' | '.join([row.encoder, row.probe, *_cells(row, controls)])} |" for row in rows]
    return "\n".join(lines) + "\n"


def _latex(rows: Sequence[Row], heading: str) -> str:
    controls = _controls(rows)
    head = ["encoder", "probe", *(_HEADS[m] for m in METRICS), *(f"AUC over {name}" for name in controls)]
    body = [[row.encoder, row.probe, *_cells(row, controls)] for row in rows]
    lines = [f"% {heading}", f"\\begin{{tabular}}{{ll{'c' * (len(head) - 2)}}}", "\\hline"]
    lines += [" & ".join(head) + r" \\", "\\hline"]
    lines += [" & ".join(cell.replace("_", r"\_").replace("%", r"\%") for cell in cells) + r" \\" for cells in body]
    return "\n".join([*lines, "\\hline", "\\end{tabular}"]) + "\n"


def _draw(path: Path, rows: Sequence[Row], heading: str) -> None:
    """AUC with its interval, a panel a probe; controls grey."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    probes = list(dict.fromkeys(row.probe for row in rows))
    names = list(dict.fromkeys(row.encoder for row in rows))
    figure = Figure(figsize=(3.2 * len(probes) + 1.5, 0.42 * len(names) + 1.5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(probes), sharex=True, sharey=True, squeeze=False)[0]
    for axes, probe in zip(panels, probes, strict=True):
        for row in (row for row in rows if row.probe == probe):
            auc, y = row.scores["auc"], len(names) - 1 - names.index(row.encoder)
            colour = "0.55" if row.is_control else "tab:blue"
            axes.plot([auc.low, auc.high], [y, y], color=colour, linewidth=2)
            axes.plot([auc.value], [y], "o", color=colour)
            axes.annotate(
                f"{auc.value:.3f}", (auc.value, y), (0, 6), textcoords="offset points", ha="center", fontsize=7
            )
        axes.axvline(0.5, color="0.8", linewidth=1, linestyle=":")
        axes.set_title(probe, fontsize=9)
        axes.set_xlabel("AUC, 95 % interval", fontsize=8)
        axes.set_yticks(range(len(names)), names[::-1], fontsize=8)
        axes.set_ylim(-0.6, len(names) - 0.2)
        axes.tick_params(axis="x", labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(heading, fontsize=8)
    figure.savefig(path)
