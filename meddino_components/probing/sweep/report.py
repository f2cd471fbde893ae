"""Tables and plots of a sweep: score against size, resolution and FLOPs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...files import ResultFiles, write_text
from ...pictures.blank_figure import blank_figure, save_figure
from ..statistics.intervals import Interval
from ..tables.rows import Row
from ..tables.text_tables import csv_text, latex, markdown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BOUNDS = ("value", "low", "high")
_TICKS = 5  # of an axis, labelled one by one


@dataclass(frozen=True)
class Cell:
    """One model at one size on one set.

    Attributes:
        task: name of the set.
        main: name of the score in tables and plots.
        model: name of the model.
        size_px: side of the images in pixels.
        parameters: number of the encoder's parameters.
        flops: FLOPs of encoding one image.
        rows: rows of the model and its controls.
    """

    task: str
    main: str
    model: str
    size_px: int
    parameters: int
    flops: int
    rows: tuple[Row, ...]

    def as_data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Cell:
        """The cell of which `as_data` made this."""

        def intervals(values: Mapping[str, Any]) -> dict[str, Interval]:
            return {name: Interval(**value) for name, value in values.items()}

        rows = (
            Row(**{**row, "scores": intervals(row["scores"]), "gains": intervals(row["gains"])}) for row in data["rows"]
        )
        return cls(**{**data, "rows": tuple(rows)})


def write_sweep(folder: Path, cells: Sequence[Cell]) -> None:
    """Write ``sweep.csv``, ``sweep.md``, ``sweep.tex`` and ``sweep_<set>.png`` together.

    Args:
        folder: output folder, created if missing.
        cells: cells in the order of the tables.

    Raises:
        InputError: matplotlib is not installed.
    """
    drawings = {}
    for task in dict.fromkeys(cell.task for cell in cells):
        drawings[task] = blank_figure("the plots of the sweep", dpi=150, constrained=True)
        _draw(drawings[task], [cell for cell in cells if cell.task == task], task)
    tables = {
        f"{main}; in brackets: 95 % intervals.": _table(cells, main) for main in dict.fromkeys(c.main for c in cells)
    }
    folder.mkdir(parents=True, exist_ok=True)
    with ResultFiles() as files:
        for suffix, text in (
            ("csv", csv_text(_columns(cells))),
            ("md", "\n".join(markdown(table, heading=caption) for caption, table in tables.items())),
            ("tex", "\n".join(_latex(table, caption) for caption, table in tables.items())),
        ):
            write_text(files.path(folder / f"sweep.{suffix}"), text)
        for task, figure in drawings.items():
            save_figure(figure, files.path(folder / plot_name(task)))


def plot_name(task: str) -> str:
    """File name of the plot of a set's scores."""
    return f"sweep_{task.replace('/', '_')}.png"


def _columns(cells: Sequence[Cell]) -> list[list[str]]:
    """All scores of all cells, one score a line, for the CSV."""
    table = [["set", "model", "size_px", "parameters", "flops", "encoder", "control", "probe", "score", *_BOUNDS]]
    for cell in cells:
        facts = [cell.task, cell.model, str(cell.size_px), str(cell.parameters), str(cell.flops)]
        for row in cell.rows:
            whose = [row.encoder, str(int(row.is_control)), row.probe]
            for name, score in row.scores.items():
                table.append([*facts, *whose, name, *(f"{getattr(score, bound):.6g}" for bound in _BOUNDS)])
    return table


def _latex(table: list[list[str]], caption: str) -> str:
    return latex(table, heading=caption, columns="llrrr" + "c" * (len(table[0]) - 5))


def _table(cells: Sequence[Cell], main: str) -> list[list[str]]:
    """The main score of each cell by probe, with those of its controls."""
    cells = [cell for cell in cells if cell.main == main]
    # sets of pictures have no attention
    probes = list(dict.fromkeys(row.probe for cell in cells for row in cell.rows))
    controls = list(dict.fromkeys(row.encoder for row in cells[0].rows if row.is_control))
    heads = [f"{probe}{'' if who is None else f', {who}'}" for probe in probes for who in (None, *controls)]
    table = [["set", "model", "px", "M parameters", "GFLOPs", *heads]]
    for cell in cells:
        scores = {(row.encoder if row.is_control else None, row.probe): row.scores[main] for row in cell.rows}
        line = [
            cell.task,
            cell.model,
            str(cell.size_px),
            f"{cell.parameters / 1e6:.1f}",
            f"{cell.flops / 1e9:.1f}",
        ]
        for probe in probes:
            found = [scores.get((who, probe)) for who in (None, *controls)]
            line += [score.text() if score else "" for score in found[:1]]
            line += [f"{score.value:.3f}" if score else "" for score in found[1:]]
        table.append(line)
    return table


def _draw(figure: Figure, cells: Sequence[Cell], title: str) -> None:
    """Draw one row of panels for each probe: scores by parameters (a line for each size), by size and by FLOPs."""
    probes = list(dict.fromkeys(row.probe for row in cells[0].rows))
    figure.set_size_inches(10.5, 2.7 * len(probes) + 0.5)
    panels = figure.subplots(len(probes), 3, squeeze=False, sharey="row")
    columns: list[tuple[str, Callable[[Cell], float], Callable[[Cell], str]]] = [
        ("parameters (M)", lambda cell: cell.parameters / 1e6, lambda cell: f"{cell.size_px} px"),
        ("side of the image (px)", lambda cell: cell.size_px, lambda cell: cell.model),
        ("GFLOPs an image", lambda cell: cell.flops / 1e9, lambda cell: cell.model),
    ]
    for line, probe in zip(panels, probes, strict=True):
        pixels = [s.value for cell in cells for s in _scores(cell, probe, "raw pixels")]
        for axes, (label, x_of, group_of) in zip(line, columns, strict=True):
            for group in dict.fromkeys(map(group_of, cells)):
                of_group = sorted((cell for cell in cells if group_of(cell) == group), key=x_of)
                points = [(x_of(cell), s) for cell in of_group for s in _scores(cell, probe, cell.model)]
                # rounding may put a bound beyond its value; NaN, no interval, stays and draws none
                errors = np.maximum([[s.value - s.low for _, s in points], [s.high - s.value for _, s in points]], 0)
                values = [s.value for _, s in points]
                axes.errorbar([x for x, _ in points], values, yerr=errors, fmt="o-", ms=4, capsize=2, label=group)
            if pixels:
                axes.axhspan(min(pixels), max(pixels), color="0.85", zorder=0, label="raw pixels")
            axes.set_xscale("log")
            axes.set_xlabel(label, fontsize=8)
            axes.tick_params(labelsize=7)
            ticks = sorted({x_of(cell) for cell in cells})
            if len(ticks) <= _TICKS:
                axes.minorticks_off()
                axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
            axes.spines[["top", "right"]].set_visible(False)
            if probe == probes[0]:
                axes.legend(fontsize=6, frameon=False)
        line[0].set_ylabel(f"{cells[0].main}, {probe}", fontsize=8)
    figure.suptitle(f"{title}: {cells[0].main} with 95 % intervals", fontsize=9)


def _scores(cell: Cell, probe: str, encoder: str) -> list[Interval]:
    return [row.scores[cell.main] for row in cell.rows if row.probe == probe and row.encoder == encoder]
