"""Draw one case with its reference above and its prediction below, on the same slices.

Shapes: H rows, W columns, D slices as the network saw them; in axial slices, rows run to posterior, columns to the
left, and slices upwards.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ignored_label import IGNORE
from ..slice_planes import AXIAL
from . import overlay
from .blank_figure import blank_figure, save_figure
from .page_view import PageView
from .slice_choice import choose_slices, label_areas

_COLUMNS = 4  # of slices
_TILE_INCHES = 2.5
_LEGEND_LINES = 24


@dataclass(frozen=True)
class LegendLine:
    """One structure in the legend.

    Args:
        labels: labels whose colours are shown before the name.
        name: name of the structure.
        value: its score as text.
        rank: number that is lowest for the worst score; NaN if the case does not count for the structure.
        without_value: text in place of the value if the case does not count.
    """

    labels: Sequence[int]
    name: str
    value: str
    rank: float
    without_value: str = "absent"


@dataclass(frozen=True)
class Legend:
    """Heading of the scores, and one line per structure."""

    heading: str
    lines: Sequence[LegendLine]


def write_comparison(
    path: Path,
    *,
    image: NDArray[np.floating[Any]] | Mapping[str, NDArray[np.floating[Any]]],
    reference: NDArray[np.uint8],
    prediction: NDArray[np.uint8],
    spacing_mm: Sequence[float],
    legend: Legend,
    title: str,
    window: tuple[float, float] | None = None,
    background: float | None = None,
    axcodes: str = AXIAL,
) -> None:
    """Draw slices and a cut across them twice for each image: with the reference, and with the prediction.

    Colours are those of `write_overlay`. On the prediction, white lines outline the reference.

    Args:
        path: PNG file to write.
        image: image [H, W, D] in any units; or several by name, each of which is drawn.
        reference: labels [H, W, D]; 0 is background, `IGNORE` was not annotated.
        prediction: labels [H, W, D], with `IGNORE` in the same places.
        spacing_mm: distance between rows, columns and slices.
        legend: colours, names and scores.
        title: id of the case.
        window: grey window (low, high) in the image's units; None to choose it as `write_overlay` does.
        background: value of the image outside the patient, which is drawn black.
        axcodes: directions in which rows, columns and slices run.
    """
    view = PageView(axcodes)
    images = dict(image) if isinstance(image, Mapping) else {"": image}
    counted, predicted = (np.where(labels == IGNORE, 0, labels) for labels in (reference, prediction))
    pairs = zip(label_areas(counted), label_areas(predicted), strict=True)
    # a false positive is as important to see as a missed organ
    per_slice, per_row = (np.maximum(a, b) for a, b in pairs)
    slices, row = choose_slices(per_slice, _COLUMNS), choose_slices(per_row, 1)[0]
    pictures = [
        overlay.prepare_picture(name, volume, counted, slices, window, background) for name, volume in images.items()
    ]
    rows, columns = overlay.body_box(pictures[0].volume, slices, pictures[0].window[0])
    row_mm, column_mm, slice_mm = (float(s) for s in spacing_mm)
    wide_mm = (columns.stop - columns.start) * column_mm
    tile_ratio = float(np.clip((rows.stop - rows.start) * row_mm / wide_mm, 0.4, 1.6))
    n_slices = reference.shape[2]
    cut_high_mm, cut_wide_mm = view.cut_pair(n_slices * slice_mm, wide_mm)
    cut_width = float(np.clip(tile_ratio / (cut_high_mm / cut_wide_mm), 0.4, 1.5))
    widths = [1.0] * _COLUMNS + [cut_width, 1.0]
    fill = overlay.fill_of(images)
    lines = [(picture, labels) for picture in pictures for labels in (reference, prediction)]
    inches = _TILE_INCHES * sum(widths), _TILE_INCHES * len(lines) * tile_ratio + 0.45
    figure = blank_figure("the comparison", dpi=100, inches=inches, facecolor=overlay.PAGE)
    top = 1 - 0.4 / inches[1]
    edges = {"left": 0.025, "right": 0.995, "top": top, "bottom": 0.01, "wspace": 0.02, "hspace": 0.03}
    grid = figure.add_gridspec(len(lines), len(widths), width_ratios=widths, **edges)
    for line, (picture, labels) in enumerate(lines):
        outline = counted if labels is prediction else None
        grey = picture.window
        for place, k in enumerate(slices):
            tile = (rows, columns, k)
            axes = figure.add_subplot(grid[line, place])
            text = f"{picture.name} {k + 1}/{n_slices}".strip()
            aspect = row_mm / column_mm
            overlay.draw_slice(axes, picture.volume[tile], labels[tile], grey, aspect, text, fill, view.sides)
            draw_outline(axes, None if outline is None else outline[tile])
        axes = figure.add_subplot(grid[line, _COLUMNS])
        down_mm, right_mm = view.cut_pair(slice_mm, column_mm)
        cut_tiles = (view.cut(picture.volume, row, columns), view.cut(labels, row, columns))
        text = f"{picture.name} {view.cut_name} {row + 1}".strip()
        overlay.draw_slice(axes, *cut_tiles, grey, down_mm / right_mm, text, fill, view.cut_sides)
        draw_outline(axes, None if outline is None else view.cut(outline, row, columns))
        y = top * (1 - (line + 0.5) / len(lines))
        name = "reference" if outline is None else "prediction"
        figure.text(0.0125, y, name, color=overlay.TEXT, fontsize=10, rotation=90, ha="center", va="center")
    _legend(figure.add_subplot(grid[:, _COLUMNS + 1]), legend)
    middle = (1 + top) / 2
    note = "white outline: reference; absent: not in the reference. Automatic; for research only"
    figure.text(0.0125, middle, title, color=overlay.TEXT, fontsize=12, weight="bold", va="center")
    figure.text(0.99, middle, note, color=overlay.FAINT, fontsize=8, ha="right", va="center")
    save_figure(figure, path, facecolor=overlay.PAGE)


def draw_outline(axes: Any, labels: NDArray[np.uint8] | None) -> None:
    """Draw white outlines of the labels; nothing if there are none or the plane is too thin for contours."""
    if labels is None or min(labels.shape) < 2:
        return
    present = np.unique(labels[labels > 0]).tolist()
    overlay.draw_outlines(axes, labels, dict.fromkeys(present, "white"), width=0.7)


def _legend(axes: Any, legend: Legend) -> None:
    """Draw colours and scores; if there are too many structures, only the worst, in the given order."""
    axes.set_axis_off()
    lines = legend.lines
    by_rank = sorted(range(len(lines)), key=lambda k: math.inf if math.isnan(lines[k].rank) else lines[k].rank)
    shown = [lines[k] for k in sorted(by_rank[:_LEGEND_LINES])]
    step = min(0.055, 1.0 / (len(shown) + 3))
    size = min(9.0, 190 * step)
    write = {"fontsize": size, "va": "top", "transform": axes.transAxes}
    axes.text(0.98, 0.99, legend.heading, color=overlay.FAINT, ha="right", **write)
    for place, line in enumerate(shown, start=1):
        y = 0.99 - place * step
        absent = math.isnan(line.rank)
        colour = overlay.FAINT if absent else overlay.TEXT
        overlay.draw_squares(axes, line.labels, 0.04, y, size)
        axes.text(0.08 + 0.06 * len(line.labels), y, line.name, color=colour, **write)
        axes.text(0.98, y, line.without_value if absent else line.value, color=colour, ha="right", **write)
    if len(lines) > len(shown):
        more = f"and {len(lines) - len(shown)} more"
        axes.text(0.14, 0.99 - (len(shown) + 1) * step, more, color=overlay.FAINT, **write)
