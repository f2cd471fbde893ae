"""Scores of encoders and controls as JSON, CSV, Markdown, LaTeX and a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...files import ResultFiles, write_text
from ...pictures.blank_figure import blank_figure, save_figure
from ..statistics.intervals import Interval
from .rows import Row
from .text_tables import csv_text, latex, markdown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE_SUFFIXES = ("json", "csv", "md", "tex", "png")  # of what `write_tables` writes
_RAREST = 3  # classes that are named


def write_tables(folder: Path, stem: str, rows: Sequence[Row], facts: Mapping[str, Any], *, main: str) -> str:
    """Write ``<stem>.json``, ``.csv``, ``.md``, ``.tex`` and ``.png`` together.

    Args:
        folder: output folder, created if missing.
        stem: file name without suffix.
        rows: rows in the order of the tables, all with the same scores.
        facts: what was scored: "set", "size_px", numbers of "samples" in "train" and "test", the number of resampled
            "units" and the name of a "unit", by how many units each class is "shown_by", numbers of "unreadable"
            samples by split, "within_one_patient"; further entries go to the JSON only.
        main: name of the score that is drawn and that gains refer to.

    Returns:
        the heading of the tables, one line.

    Raises:
        InputError: matplotlib is not installed.
    """
    if reason := _why_no_interval(rows, facts):
        facts = {**facts, "no_interval": reason}
    heading = _heading(facts)
    figure = blank_figure("the picture of the scores", dpi=150, constrained=True)
    _draw(figure, rows, heading, main)
    folder.mkdir(parents=True, exist_ok=True)
    data = {**facts, "main_score": main, "rows": [_as_data(row) for row in rows]}
    table, caption = _table(rows, main), f"{heading}. In brackets: 95 % intervals."
    with ResultFiles() as files:
        for suffix, text in (
            ("json", json.dumps(data, indent=2, ensure_ascii=False) + "\n"),
            ("csv", csv_text(_score_columns(rows))),
            ("md", markdown(table, heading=caption)),
            ("tex", latex(table, heading=caption, columns="ll" + "c" * (len(table[0]) - 2))),
        ):
            write_text(files.path(folder / f"{stem}.{suffix}"), text)
        save_figure(figure, files.path(folder / f"{stem}.png"))
    return heading


def plain(rows: Sequence[Row], *, main: str) -> str:
    """The main score and its gains as text for the log."""
    width = max(len(row.encoder) for row in rows)
    lines = [f"{'encoder':<{width}}  {'probe':<8}  {main} (95 % interval); over controls"]
    for row in rows:
        gains = "; ".join(f"{name} {gain.text(signed=True)}" for name, gain in row.gains.items())
        lines.append(f"{row.encoder:<{width}}  {row.probe:<8}  {row.scores[main].text()}; {gains}".rstrip("; "))
    return "\n".join(lines)


def _score_columns(rows: Sequence[Row]) -> list[list[str]]:
    """Header and lines of the CSV: encoder and probe, and each score with its bounds."""
    names = list(rows[0].scores)
    table = [["encoder", "control", "probe"]]
    table[0] += [f"{name.replace(' ', '_')}{end}" for name in names for end in ("", "_low", "_high")]
    for row in rows:
        values = [v for name in names for i in (row.scores[name],) for v in (i.value, i.low, i.high)]
        table.append([row.encoder, str(int(row.is_control)), row.probe, *(f"{v:.6g}" for v in values)])
    return table


def _heading(facts: Mapping[str, Any]) -> str:
    samples = facts["samples"]
    parts = [
        f"{facts['set']}, {facts['size_px']} px",
        f"{samples['train']} for training, {samples['test']} for the test in {facts['units']} {facts['unit']}",
    ]
    if n := sum(facts.get("unreadable", {}).values()):
        parts.append(f"{n} samples unreadable and left out")
    if facts["within_one_patient"]:
        parts.append("WITHIN ONE PATIENT: training and test share patients")
    if "no_interval" in facts:
        parts.append(facts["no_interval"])
    return "; ".join(parts)


def _why_no_interval(rows: Sequence[Row], facts: Mapping[str, Any]) -> str:
    """Which scores have no interval, and why; empty if all have one."""
    names = [n for n in rows[0].scores if any(isfinite(r.scores[n].value) and not r.scores[n].has_bounds for r in rows)]
    if not names:
        return ""
    if facts["units"] < 2:
        return f"no interval of {', '.join(names)}: nothing to resample"
    shown_by = sorted((n, name) for name, n in facts.get("shown_by", {}).items() if n)
    rarest = ", ".join(f"{name} {n}" for n, name in shown_by[:_RAREST])
    return f"no interval of {', '.join(names)}: too many resamples lack a class; rarest, by {facts['unit']}: {rarest}"


def _as_data(row: Row) -> dict[str, Any]:
    def numbers(intervals: Mapping[str, Interval]) -> dict[str, Any]:
        return {name: asdict(interval) for name, interval in intervals.items()}

    return {
        "encoder": row.encoder,
        "is_control": row.is_control,
        "probe": row.probe,
        "scores": numbers(row.scores),
        "gain_over": numbers(row.gains),
        **({"more": dict(row.more)} if row.more else {}),
    }


def _table(rows: Sequence[Row], main: str) -> list[list[str]]:
    """Header and body as text."""
    controls = list(dict.fromkeys(row.encoder for row in rows if row.is_control))
    table = [["encoder", "probe", *rows[0].scores, *(f"{main} over {name}" for name in controls)]]
    for row in rows:
        gains = (row.gains.get(name) for name in controls)
        scores = (score.text() for score in row.scores.values())
        table.append([row.encoder, row.probe, *scores, *(gain.text(signed=True) if gain else "" for gain in gains)])
    return table


def _draw(figure: Figure, rows: Sequence[Row], heading: str, main: str) -> None:
    """Draw the main score with its interval, one panel for each probe; controls are grey."""
    probes = list(dict.fromkeys(row.probe for row in rows))
    names = list(dict.fromkeys(row.encoder for row in rows))
    figure.set_size_inches(3.2 * len(probes) + 1.5, 0.42 * len(names) + 1.5)
    panels = figure.subplots(1, len(probes), sharex=True, sharey=True, squeeze=False)[0]
    above = {"xytext": (0, 6), "textcoords": "offset points", "ha": "center", "fontsize": 7}
    for axes, probe in zip(panels, probes, strict=True):
        for row in (row for row in rows if row.probe == probe):
            score, y = row.scores[main], len(names) - 1 - names.index(row.encoder)
            colour = "0.55" if row.is_control else "tab:blue"
            axes.plot([score.low, score.high], [y, y], color=colour, linewidth=2)
            axes.plot([score.value], [y], "o", color=colour)
            axes.annotate(f"{score.value:.3f}", (score.value, y), **above)
        axes.set_title(probe, fontsize=9)
        axes.set_xlabel(f"{main}, 95 % interval", fontsize=8)
        axes.set_yticks(range(len(names)), names[::-1], fontsize=8)
        axes.set_ylim(-0.6, len(names) - 0.2)
        axes.tick_params(axis="x", labelsize=7)
        axes.grid(axis="x", color="0.92")
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(heading, fontsize=8, wrap=True)
