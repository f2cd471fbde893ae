"""Draw a page of slices from a store for a quick visual check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...files import ResultFiles
from ...pictures.blank_figure import blank_figure, save_figure
from ...wording import counted
from ..slice_store.store import SliceStore

CT_WINDOW_HU = (-160.0, 240.0)  # level 40, width 400
_COLUMNS, _ROWS = 8, 6
_TILE_INCHES = 2.0
_PAGE, _TEXT, _FAINT = "#101214", "#e8e8e8", "#a0a6ae"
_LONGEST_NAME = 30


def write_contact_sheet(path: Path, store: SliceStore) -> list[int]:
    """Draw evenly spaced slices as a PNG, anterior up and the patient's right on the left of the page.

    CT is shown from -160 to 240 HU, MR from the 1st to the 99th percentile of the slice. Tiles keep the aspect ratio of
    the slice in mm and are labelled with source set, case and slice number.

    Returns:
        Indices of these slices in the store.

    Raises:
        InputError: matplotlib is not installed.
    """
    n = min(len(store), _COLUMNS * _ROWS)
    chosen = [int(index) for index in np.linspace(0, len(store) - 1, n).round()] if n > 1 else [len(store) // 2]
    columns = min(_COLUMNS, n)
    rows = -(-n // columns)
    inches = max(columns * _TILE_INCHES, 6.0), rows * (_TILE_INCHES + 0.35) + 0.45
    figure = blank_figure(
        "the contact sheet", dpi=110, inches=inches, facecolor=_PAGE, otherwise="set contact_sheet to false"
    )
    top = 1 - 0.45 / inches[1]
    grid = figure.add_gridspec(
        rows, columns, left=0.01, right=0.99, top=top - 0.3 / inches[1], bottom=0.01, wspace=0.04, hspace=0.2
    )
    for place, index in enumerate(chosen):
        _draw(figure.add_subplot(grid[place // columns, place % columns]), store, index)
    title = f"{n} of {counted(len(store), 'slice')}, {counted(store.n_volumes, 'volume')}"
    middle = (1 + top) / 2
    figure.text(0.01, middle, title, color=_TEXT, fontsize=12, weight="bold", va="center")
    note = "CT: -160 to 240 HU; R: the patient's right"
    figure.text(0.99, middle, note, color=_FAINT, fontsize=8, ha="right", va="center")
    with ResultFiles() as files:
        save_figure(figure, files.path(path), facecolor=_PAGE)
    return chosen


def _draw(axes: Any, store: SliceStore, index: int) -> None:
    pixels, source = store.read(index), store.source(index)
    record = store.volume(int(store.slices[index]["volume"]))
    low, high = CT_WINDOW_HU if record.modality == "ct" else _percentiles(pixels)
    row_mm, column_mm, _ = record.spacing_mm
    axes.imshow(pixels, cmap="gray", vmin=low, vmax=high, aspect=row_mm / column_mm, interpolation="bilinear")
    axes.set_axis_off()
    axes.text(0.02, 0.5, "R", color=_TEXT, fontsize=7, va="center", transform=axes.transAxes)
    name = source.case_id if len(source.case_id) <= _LONGEST_NAME else f"…{source.case_id[1 - _LONGEST_NAME :]}"
    label = f"{source.source_set[:_LONGEST_NAME]}\n{name}  {source.slice_number + 1}/{record.source_slices}"
    axes.set_title(label, color=_TEXT, fontsize=6, pad=2)


def _percentiles(pixels: NDArray[np.int16]) -> tuple[float, float]:
    low, high = (float(value) for value in np.percentile(pixels, (1, 99)))
    return low, max(high, low + 1)
