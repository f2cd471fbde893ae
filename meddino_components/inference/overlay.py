"""A sheet to look at: axial slices and a coronal one with the labels drawn over them.

Shapes: H rows (to posterior), W columns (to the left), D slices (upwards), as in every canonical volume; so
``image[:, :, k]`` has anterior up and the patient's right on the left of the page.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .slice_choice import choose_slices, label_areas

_ROWS, _COLUMNS = 3, 4  # of axial tiles
_TILE_INCHES = 2.9
# neighbouring pixels of different label in a tile, above which only areas are drawn: a 512 x 512 slice with a hundred
# organs stays below, noise from an untrained network does not, and its outlines would take gigabytes
_MAX_OUTLINE = 50_000
PAGE = "#101214"
TEXT = "#e8e8e8"
FAINT = "#a0a6ae"
# distinct on black and on grey
_COLOURS = (
    *("ff5a5f", "5bd75b", "b4f03c", "ffe119", "ffb3c6", "c8783c", "f032e6", "ff2828"),
    *("4f8cff", "ffa028", "00dcdc", "c896ff", "2fb5a8", "fff0a0", "a0ffc8", "d2d2ff"),
)


def write_overlay(
    path: Path,
    *,
    image: NDArray[np.floating[Any]],
    labels: NDArray[np.uint8],
    spacing_mm: Sequence[float],
    organs: Mapping[int, tuple[str, float]],
    title: str,
    window: tuple[float, float] | None = None,
) -> None:
    """Draw the sheet as a PNG.

    Args:
        path: file to write.
        image: [H, W, D] in canonical orientation, in any units.
        labels: [H, W, D], 0 is background.
        spacing_mm: of rows, columns and slices.
        organs: label -> (name, volume in ml), those found and those looked for.
        title: the case's id.
        window: (low, high) grey window in the image's units; None is taken from the labelled voxels.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            "the overlay sheet needs matplotlib: pip install 'meddino[report]', or turn the overlay off"
        ) from error
    per_slice, per_row = label_areas(labels)
    slices = choose_slices(per_slice, _ROWS * _COLUMNS)
    row = choose_slices(per_row, 1)[0]
    grey = window or grey_window(image, labels, slices)
    rows, columns = body_box(image, slices, grey[0])
    row_mm, column_mm, slice_mm = (float(s) for s in spacing_mm)
    wide_mm = (columns.stop - columns.start) * column_mm
    tile_ratio = float(np.clip((rows.stop - rows.start) * row_mm / wide_mm, 0.4, 1.6))
    # the coronal slice is as high as the axial rows together, unless it becomes wider than two tiles
    coronal_width = float(np.clip(_ROWS * tile_ratio / (image.shape[2] * slice_mm / wide_mm), 0.5, 2.0))
    widths = [1.0] * _COLUMNS + [coronal_width, 1.05]
    inches = _TILE_INCHES * sum(widths), _TILE_INCHES * _ROWS * tile_ratio + 0.5
    figure = Figure(figsize=inches, dpi=110, facecolor=PAGE)
    FigureCanvasAgg(figure)
    top = 1 - 0.45 / inches[1]
    edges = {"left": 0.005, "right": 0.995, "top": top, "bottom": 0.01, "wspace": 0.02, "hspace": 0.02}
    grid = figure.add_gridspec(_ROWS, len(widths), width_ratios=widths, **edges)
    for place, k in enumerate(slices):
        axes = figure.add_subplot(grid[place // _COLUMNS, place % _COLUMNS])
        tile = (rows, columns, k)
        draw_slice(axes, image[tile], labels[tile], grey, row_mm / column_mm, f"{k + 1}/{image.shape[2]}")
    cut = (row, columns, slice(None))
    axes = figure.add_subplot(grid[:, _COLUMNS])
    # transposed and turned: slices run upwards on the page
    draw_slice(axes, image[cut].T[::-1], labels[cut].T[::-1], grey, slice_mm / column_mm, f"coronal {row + 1}")
    _legend(figure.add_subplot(grid[:, _COLUMNS + 1]), organs)
    size = " x ".join(str(n) for n in image.shape)
    spacing = " x ".join(f"{s:.3g}" for s in (row_mm, column_mm, slice_mm))
    note = f"{size} voxels of {spacing} mm. Automatic; for research only"
    middle = (1 + top) / 2
    figure.text(0.01, middle, title, color=TEXT, fontsize=13, weight="bold", va="center")
    figure.text(0.99, middle, note, color=FAINT, fontsize=9, ha="right", va="center")
    figure.savefig(path, facecolor=PAGE)


def grey_window(
    image: NDArray[np.floating[Any]], labels: NDArray[np.uint8], slices: Sequence[int]
) -> tuple[float, float]:
    """A window for soft tissue, whatever the image's units: that of the labelled voxels, with room for fat below."""
    values = np.concatenate([image[:, :, k][labels[:, :, k] > 0] for k in slices])
    if values.size < 100:
        values = np.concatenate([image[:, :, k].ravel() for k in slices])
        low, high = (float(v) for v in np.percentile(values, (1, 99)))
    else:
        low, high = (float(v) for v in np.percentile(values, (5, 95)))
        low, high = low - 1.4 * (high - low), high + 0.8 * (high - low)
    return (low, high) if high > low else (low, low + 1)


def body_box(image: NDArray[np.floating[Any]], slices: Sequence[int], low: float) -> tuple[slice, slice]:
    """Rows and columns that the chosen slices fill with more than the window's black."""
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
) -> None:
    from matplotlib.patheffects import withStroke

    axes.imshow(image, cmap="gray", vmin=window[0], vmax=window[1], aspect=aspect, interpolation="bilinear")
    table = np.zeros((256, 4))
    present = [int(k) for k in np.unique(labels) if k]
    for label in present:
        table[label] = (*organ_colour(label), 0.3)
    axes.imshow(table[labels], aspect=aspect, interpolation="nearest")
    if min(labels.shape) > 1 and _outline_length(labels) <= _MAX_OUTLINE:
        for label in present:
            axes.contour(labels == label, levels=[0.5], colors=[organ_colour(label)], linewidths=1.0)
    axes.set_axis_off()
    legible = {"color": TEXT, "fontsize": 9, "path_effects": [withStroke(linewidth=2, foreground="black")]}
    axes.text(0.02, 0.98, text, va="top", transform=axes.transAxes, **legible)
    axes.text(0.02, 0.5, "R", va="center", transform=axes.transAxes, **legible)
    axes.text(0.98, 0.5, "L", va="center", ha="right", transform=axes.transAxes, **legible)


def _outline_length(labels: NDArray[np.uint8]) -> int:
    """Neighbouring pixels of different label."""
    return int(np.count_nonzero(labels[1:] != labels[:-1]) + np.count_nonzero(labels[:, 1:] != labels[:, :-1]))


def _legend(axes: Any, organs: Mapping[int, tuple[str, float]]) -> None:
    axes.set_axis_off()
    lines = [(label, name, ml) for label, (name, ml) in organs.items() if ml > 0]
    absent = [name for name, ml in organs.values() if ml <= 0]
    step = min(0.05, 1.0 / (len(lines) + len(absent) + 3))
    size = max(5.0, min(10.0, 220 * step))
    y = 0.99
    for label, name, ml in lines:
        axes.text(0.02, y, "■", color=organ_colour(label), fontsize=size + 2, va="top", transform=axes.transAxes)
        axes.text(0.12, y, name, color=TEXT, fontsize=size, va="top", transform=axes.transAxes)
        amount = f"{ml:,.0f} ml" if ml >= 10 else f"{ml:.1f} ml"
        axes.text(0.98, y, amount, color=TEXT, fontsize=size, va="top", ha="right", transform=axes.transAxes)
        y -= step
    if absent:
        y -= step / 2
        axes.text(0.02, y, "not found", color=FAINT, fontsize=size, va="top", transform=axes.transAxes)
        for name in absent:
            y -= step
            axes.text(0.12, y, name, color=FAINT, fontsize=size, va="top", transform=axes.transAxes)


def organ_colour(label: int) -> tuple[float, float, float]:
    """One colour for a label in every sheet; after the table, hues a golden section apart."""
    if label <= len(_COLOURS):
        red, green, blue = bytes.fromhex(_COLOURS[label - 1])
        return red / 255, green / 255, blue / 255
    return colorsys.hsv_to_rgb((label * 0.618034) % 1.0, (0.85, 0.6)[label % 2], (1.0, 0.9)[(label // 2) % 2])
