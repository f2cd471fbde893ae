"""Tables and plots of a sweep: score against size, resolution and FLOPs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic_files import AtomicFiles
from ..blank_figure import blank_figure
from .intervals import Interval
from .score_tables import Row, score_columns
from .text_tables import csv_text, latex, markdown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAIN = "AUC"
_TICKS = 5  # of an axis, labelled one by one


@dataclass(frozen=True)
class Cell:
    """One model at one size on one set.

    Attributes:
        image_set: name of the set.
        model: name of the model.
        size_px: side of the images.
        parameters: of the encoder.
        flops: of encoding one image.
        rows: of the model and its controls.
    """

    image_set: str
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
        """What `as_data` gave."""

        def intervals(values: Mapping[str, Any]) -> dict[str, Interval]:
            return {name: Interval(**value) for name, value in values.items()}

        rows = (
            Row(**{**row, "scores": intervals(row["scores"]), "gains": intervals(row["gains"])}) for row in data["rows"]
        )
        return cls(**{**data, "rows": tuple(rows)})


def write_sweep(folder: Path, cells: Sequence[Cell]) -> None:
    """Write ``sweep.csv``, ``sweep.md``, ``sweep.tex`` and ``sweep_<set>.png`` together.

    Args:
        folder: made where it is missing.
        cells: in the order of the tables.

    Raises:
        InputError: matplotlib is not installed.
    """
    drawings = {}
    for image_set in dict.fromkeys(cell.image_set for cell in cells):
        drawings[image_set] = blank_figure("the plots of the sweep", dpi=150, constrained=True)
        _draw(drawings[image_set], [cell for cell in cells if cell.image_set == image_set], image_set)
    table, caption = _table(cells), f"{_MAIN}; in brackets: 95 % intervals."
    folder.mkdir(parents=True, exist_ok=True)
    with AtomicFiles() as files:
        for suffix, text in (
            ("csv", csv_text(_columns(cells))),
            ("md", markdown(table, heading=caption)),
            ("tex", latex(table, heading=caption, columns="llrrr" + "c" * (len(table[0]) - 5))),
        ):
            files.path(folder / f"sweep.{suffix}").write_text(text, encoding="utf-8")
        for image_set, figure in drawings.items():
            figure.savefig(files.path(folder / f"sweep_{image_set.replace('/', '_')}.png"))


def _columns(cells: Sequence[Cell]) -> list[list[str]]:
    """All scores of all cells, for the CSV."""
    head, *lines = score_columns([row for cell in cells for row in cell.rows])
    of_lines = [cell for cell in cells for _ in cell.rows]
    table = [["set", "model", "size_px", "parameters", "flops", *head]]
    for cell, line in zip(of_lines, lines, strict=True):
        table.append([cell.image_set, cell.model, str(cell.size_px), str(cell.parameters), str(cell.flops), *line])
    return table


def _table(cells: Sequence[Cell]) -> list[list[str]]:
    """The main score of each cell by probe, beside its controls."""
    # sets of pictures have no attention
    probes = list(dict.fromkeys(row.probe for cell in cells for row in cell.rows))
    controls = list(dict.fromkeys(row.encoder for row in cells[0].rows if row.is_control))
    heads = [f"{probe}{'' if who is None else f', {who}'}" for probe in probes for who in (None, *controls)]
    table = [["set", "model", "px", "M parameters", "GFLOPs", *heads]]
    for cell in cells:
        scores = {(row.encoder if row.is_control else None, row.probe): row.scores[_MAIN] for row in cell.rows}
        line = [
            cell.image_set,
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
    """A row a probe: against parameters (a line a resolution), resolution (a line a model), and FLOPs."""
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
                errors = [[s.value - s.low for _, s in points], [s.high - s.value for _, s in points]]
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
            if line is panels[0]:
                axes.legend(fontsize=6, frameon=False)
        line[0].set_ylabel(f"{_MAIN}, {probe}", fontsize=8)
    figure.suptitle(f"{title}: {_MAIN} with 95 % intervals", fontsize=9)


def _scores(cell: Cell, probe: str, encoder: str) -> list[Interval]:
    return [row.scores[_MAIN] for row in cell.rows if row.probe == probe and row.encoder == encoder]
