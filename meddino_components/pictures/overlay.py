"""Draw a sheet of slices, and a cut across them, with labels as overlays.

Shapes: H rows, W columns, D slices as the network saw them; in axial slices, rows run to posterior, columns to the left
and slices upwards, so that ``image[:, :, k]`` shows anterior at the top and the patient's right on the left.
"""

from __future__ import annotations

import colorsys
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ignored_label import IGNORE
from ..slice_planes import AXIAL
from .blank_figure import blank_figure, save_figure
from .page_view import PageView
from .slice_choice import choose_slices, label_areas

_ROWS, _COLUMNS = 3, 4  # of slices
_ROWS_OF_SEVERAL = 4  # if several images of a case are drawn
_TILE_INCHES = 2.9
# number of neighbouring pixels with different labels in a tile above which no outlines are drawn: a 512 x 512 slice
# with a hundred organs has fewer; the outlines of an untrained network's noise would take gigabytes
_MAX_OUTLINE = 50_000
PAGE = "#101214"
TEXT = "#e8e8e8"
FAINT = "#a0a6ae"
# labels whose colours nested regions get, from the outermost: green, red, yellow, as is usual for brain tumours
_REGION_LABELS = (2, 1, 4, 9, 7, 11)
_NOT_ANNOTATED = (0.62, 0.62, 0.66)
# distinct on black and on grey
_COLOURS = (
    *("ff5a5f", "5bd75b", "b4f03c", "ffe119", "ffb3c6", "c8783c", "f032e6", "ff2828"),
    *("4f8cff", "ffa028", "00dcdc", "c896ff", "2fb5a8", "fff0a0", "a0ffc8", "d2d2ff"),
)


def write_overlay(
    path: Path,
    *,
    image: NDArray[np.floating[Any]] | Mapping[str, NDArray[np.floating[Any]]],
    labels: NDArray[np.uint8],
    spacing_mm: Sequence[float],
    organs: Mapping[int, tuple[str, float]],
    title: str,
    window: tuple[float, float] | None = None,
    background: float | None = None,
    regions: Sequence[tuple[Sequence[int], str, float]] = (),
    axcodes: str = AXIAL,
) -> None:
    """Draw the sheet as a PNG file.

    Args:
        path: file to write.
        image: image [H, W, D] in any units; or several by name, drawn below each other on the same slices.
        labels: labels [H, W, D]; 0 is background.
        spacing_mm: distance between rows, columns and slices.
        organs: (name, volume in ml) by label, for organs that were found and those that were looked for.
        title: id of the case.
        window: grey window (low, high) in the image's units; None to derive it from the labelled voxels, or, if
            ``background`` is given, from all voxels inside the patient.
        background: value of the image outside the patient, which is drawn black.
        regions: (labels, name, volume in ml) of regions that consist of several labels, for the legend.
        axcodes: directions in which rows, columns and slices run.

    Raises:
        InputError: matplotlib is not installed.
    """
    view = PageView(axcodes)
    images = dict(image) if isinstance(image, Mapping) else {"": image}
    fill = fill_of(images)
    n_groups = _ROWS if len(images) == 1 else max(1, _ROWS_OF_SEVERAL // len(images))
    per_slice, per_row = label_areas(labels)
    slices = choose_slices(per_slice, n_groups * _COLUMNS)
    groups = [slices[start : start + _COLUMNS] for start in range(0, len(slices), _COLUMNS)]
    pictures = [prepare_picture(name, volume, labels, slices, window, background) for name, volume in images.items()]
    lines = [(picture, group) for group in groups for picture in pictures]
    rows, columns = body_box(pictures[0].volume, slices, pictures[0].window[0])
    row_mm, column_mm, slice_mm = (float(s) for s in spacing_mm)
    wide_mm = (columns.stop - columns.start) * column_mm
    tile_ratio = float(np.clip((rows.stop - rows.start) * row_mm / wide_mm, 0.4, 1.6))
    # one cut as high as all rows of slices, or one beside each row, unless it becomes too wide
    cut_rows = choose_slices(per_row, 1 if len(images) == 1 else len(groups))
    n_high, n_wide = (len(lines), 2.0) if len(images) == 1 else (1, 1.5)
    n_slices = labels.shape[2]
    cut_high_mm, cut_wide_mm = view.cut_pair(n_slices * slice_mm, wide_mm)
    cut_width = float(np.clip(n_high * tile_ratio / (cut_high_mm / cut_wide_mm), 0.5, n_wide))
    widths = [1.0] * _COLUMNS + [cut_width, 1.05]
    inches = _TILE_INCHES * sum(widths), _TILE_INCHES * max(len(lines), _ROWS) * tile_ratio + 0.5
    figure = blank_figure("the overlay sheet", dpi=110, inches=inches, facecolor=PAGE, otherwise="turn the overlay off")
    top = 1 - 0.45 / inches[1]
    edges = {"left": 0.005, "right": 0.995, "top": top, "bottom": 0.01, "wspace": 0.02, "hspace": 0.02}
    grid = figure.add_gridspec(max(len(lines), _ROWS), len(widths), width_ratios=widths, **edges)
    for line, (picture, group) in enumerate(lines):
        for place, k in enumerate(group):
            text = f"{picture.name} {k + 1}/{n_slices}".strip()
            tile = (rows, columns, k)
            axes = figure.add_subplot(grid[line, place])
            aspect = row_mm / column_mm
            draw_slice(axes, picture.volume[tile], labels[tile], picture.window, aspect, text, fill, view.sides)
        if len(images) == 1 and line:
            continue
        row = cut_rows[line // len(images) % len(cut_rows)]
        axes = figure.add_subplot(grid[line, _COLUMNS] if len(images) > 1 else grid[:, _COLUMNS])
        text = f"{picture.name} {view.cut_name} {row + 1}".strip()
        tile_of_cut = (view.cut(picture.volume, row, columns), view.cut(labels, row, columns))
        down_mm, right_mm = view.cut_pair(slice_mm, column_mm)
        draw_slice(axes, *tile_of_cut, picture.window, down_mm / right_mm, text, fill, view.cut_sides)
    _legend(figure.add_subplot(grid[:, _COLUMNS + 1]), [*(((k,), *o) for k, o in organs.items()), *regions])
    size = " x ".join(str(n) for n in labels.shape)
    spacing = " x ".join(f"{s:.3g}" for s in (row_mm, column_mm, slice_mm))
    note = f"{size} voxels of {spacing} mm. Automatic; for research only"
    middle = (1 + top) / 2
    figure.text(0.01, middle, title, color=TEXT, fontsize=13, weight="bold", va="center")
    figure.text(0.99, middle, note, color=FAINT, fontsize=9, ha="right", va="center")
    save_figure(figure, path, facecolor=PAGE)


@dataclass(frozen=True)
class Picture:
    """Image to draw: name, volume [H, W, D], grey window."""

    name: str
    volume: NDArray[np.floating[Any]]
    window: tuple[float, float]


def prepare_picture(
    name: str,
    volume: NDArray[np.floating[Any]],
    labels: NDArray[np.uint8],
    slices: Sequence[int],
    window: tuple[float, float] | None,
    background: float | None,
) -> Picture:
    """Choose the grey window from the slices that are drawn, and make voxels outside the patient black."""
    if background is None:
        return Picture(name, volume, window or grey_window(volume, labels, slices))
    inside = volume != background
    if window is None:
        values = np.concatenate([volume[:, :, k][inside[:, :, k]] for k in slices])
        low, high = (float(v) for v in np.percentile(values, (0.5, 99.5))) if values.size else (0.0, 1.0)
        window = (low, high) if high > low else (low, low + 1)
    return Picture(name, np.where(inside, volume, np.float32(window[0])), window)


def fill_of(images: Mapping[str, Any]) -> float:
    """Return the opacity of labels: low for several MRI sequences, in which enhancement must stay visible."""
    return 0.3 if len(images) == 1 else 0.12


def region_labels(n_regions: int) -> tuple[int, ...]:
    """Return the labels whose colours nested regions get, from the outermost to the innermost."""
    return _REGION_LABELS[:n_regions]


def grey_window(
    image: NDArray[np.floating[Any]], labels: NDArray[np.uint8], slices: Sequence[int]
) -> tuple[float, float]:
    """Return a soft-tissue window in the image's units: the range of labelled voxels, extended downwards for fat."""
    values = np.concatenate([image[:, :, k][labels[:, :, k] > 0] for k in slices])
    if values.size < 100:
        values = np.concatenate([image[:, :, k].ravel() for k in slices])
        low, high = (float(v) for v in np.percentile(values, (1, 99)))
    else:
        low, high = (float(v) for v in np.percentile(values, (5, 95)))
        low, high = low - 1.4 * (high - low), high + 0.8 * (high - low)
    return (low, high) if high > low else (low, low + 1)


def body_box(image: NDArray[np.floating[Any]], slices: Sequence[int], low: float) -> tuple[slice, slice]:
    """Return the rows and columns in which the chosen slices are brighter than the window's lower end."""
    lit = np.any([image[:, :, k] > low for k in slices], axis=0)
    box = []
    for axis in (1, 0):
        where = np.flatnonzero(lit.sum(axis=axis) > 0.02 * lit.shape[axis])
        n = lit.shape[1 - axis]
        box.append(slice(max(0, where[0] - 3), min(n, where[-1] + 4)) if where.size else slice(0, n))
    return box[0], box[1]


def draw_slice(
    axes: Any,
    image: NDArray[np.floating[Any]],
    labels: NDArray[np.uint8],
    window: tuple[float, float],
    aspect: float,
    text: str,
    fill: float = 0.3,
    sides: tuple[str, str] | None = ("R", "L"),
) -> None:
    """Draw a slice with its labels, each outlined and filled with its colour at opacity ``fill``.

    ``sides`` are the letters of the patient's sides at the left and the right edge; None for a picture that is not a
    slice.
    """
    from matplotlib.patheffects import withStroke

    axes.imshow(image, cmap="gray", vmin=window[0], vmax=window[1], aspect=aspect, interpolation="bilinear")
    table = np.zeros((256, 4))
    present = [int(k) for k in np.unique(labels) if k]
    for label in present:
        table[label] = (*organ_colour(label), fill)
    axes.imshow(table[labels], aspect=aspect, interpolation="nearest")
    if min(labels.shape) > 1 and _outline_length(labels) <= _MAX_OUTLINE:
        draw_outlines(axes, labels, {label: organ_colour(label) for label in present}, width=1.0)
    axes.set_axis_off()
    legible = {"color": TEXT, "fontsize": 9, "path_effects": [withStroke(linewidth=2, foreground="black")]}
    axes.text(0.02, 0.98, text, va="top", transform=axes.transAxes, **legible)
    if sides:
        axes.text(0.02, 0.5, sides[0], va="center", transform=axes.transAxes, **legible)
        axes.text(0.98, 0.5, sides[1], va="center", ha="right", transform=axes.transAxes, **legible)


def draw_outlines(axes: Any, labels: NDArray[np.uint8], colours: Mapping[int, Any], width: float) -> None:
    """Draw an outline of ``width`` points around each label, in its colour.

    All outlines form one collection: matplotlib's ``contour`` would set up a colour table for each.
    """
    from contourpy import contour_generator
    from matplotlib.collections import LineCollection

    lines: dict[int, Any] = {
        label: contour_generator(z=(labels == label).astype(np.float32)).lines(0.5) for label in colours
    }
    each = [colours[label] for label, found in lines.items() for _ in found]
    axes.add_collection(LineCollection(list(itertools.chain(*lines.values())), colors=each, linewidths=width))


def _outline_length(labels: NDArray[np.uint8]) -> int:
    """Return the number of neighbouring pixels with different labels."""
    return int(np.count_nonzero(labels[1:] != labels[:-1]) + np.count_nonzero(labels[:, 1:] != labels[:, :-1]))


def _legend(axes: Any, entries: Sequence[tuple[Sequence[int], str, float]]) -> None:
    axes.set_axis_off()
    lines = [entry for entry in entries if entry[2] > 0]
    absent = [name for _, name, ml in entries if ml <= 0]
    step = min(0.05, 1.0 / (len(lines) + len(absent) + 3))
    size = max(5.0, min(10.0, 220 * step))
    y = 0.99
    for labels, name, ml in lines:
        draw_squares(axes, labels, 0.02, y, size + 2)
        axes.text(0.06 + 0.06 * len(labels), y, name, color=TEXT, fontsize=size, va="top", transform=axes.transAxes)
        amount = f"{ml:,.0f} ml" if ml >= 10 else f"{ml:.1f} ml"
        axes.text(0.98, y, amount, color=TEXT, fontsize=size, va="top", ha="right", transform=axes.transAxes)
        y -= step
    if absent:
        y -= step / 2
        axes.text(0.02, y, "not found", color=FAINT, fontsize=size, va="top", transform=axes.transAxes)
        for name in absent:
            y -= step
            axes.text(0.12, y, name, color=FAINT, fontsize=size, va="top", transform=axes.transAxes)


def draw_squares(axes: Any, labels: Sequence[int], x: float, y: float, size: float) -> None:
    """Draw a square in the colour of each label, side by side."""
    for place, label in enumerate(labels):
        at = (x + 0.06 * place, y)
        axes.text(*at, "\u25a0", color=organ_colour(label), fontsize=size, va="top", transform=axes.transAxes)


def organ_colour(label: int) -> tuple[float, float, float]:
    """Return the colour of a label, the same in every sheet; beyond the table, hues are a golden section apart.

    What nobody annotated (`IGNORE`) is grey.
    """
    if label == IGNORE:
        return _NOT_ANNOTATED
    if label <= len(_COLOURS):
        red, green, blue = bytes.fromhex(_COLOURS[label - 1])
        return red / 255, green / 255, blue / 255
    return colorsys.hsv_to_rgb((label * 0.618034) % 1.0, (0.85, 0.6)[label % 2], (1.0, 0.9)[(label // 2) % 2])
