"""A sheet of test cases: the reference, and the predictions of a decoder on each encoder's maps.

Shapes: D slices, S side of the square, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.image_sets import load_picture
from ...embeddings import raw_pixels
from ...embeddings.prepared_images import PreparedImages
from ...files import ResultFiles
from ...pictures import overlay
from ...pictures.blank_figure import blank_figure, save_figure
from ...pictures.comparison import draw_outline
from .mapped_set import selection_of

_TILE_INCHES = 2.4
_LEGEND_COLUMNS = 6
_LEGEND_POINTS = 8.0


@dataclass(frozen=True)
class ShownCase:
    """A row of the sheet.

    Attributes:
        case: case as `folds` describes it.
        reference: reference labels [D, S, S].
        predictions: predicted labels [D, S, S] by encoder, in the order of the columns.
    """

    case: Mapping[str, Any]
    reference: NDArray[np.uint8]
    predictions: Mapping[str, NDArray[np.uint8]]


def write_prediction_sheet(
    path: Path, cases: Sequence[ShownCase], *, label_names: Sequence[str], size_px: int, title: str
) -> None:
    """Draw one slice of each case, the one with the largest labelled area in the reference, as the encoders saw it.

    Args:
        path: PNG to write.
        cases: rows of the sheet.
        label_names: class names by number, background first.
        size_px: side S of the square in pixels.
        title: title of the sheet.

    Raises:
        InputError: matplotlib is not installed.
    """
    columns = list(cases[0].predictions)
    n_lines = -(-(len(label_names) - 1) // _LEGEND_COLUMNS)
    legend_inches = 0.1 + 0.2 * n_lines
    inches = (_TILE_INCHES * (len(columns) + 1), _TILE_INCHES * len(cases) + 0.5 + legend_inches)
    figure = blank_figure(
        "predictions", dpi=110, inches=inches, facecolor=overlay.PAGE, otherwise="set n_pictures to 0"
    )
    top, bottom = 1 - 0.5 / inches[1], legend_inches / inches[1]
    edges = {"left": 0.005, "right": 0.995, "top": top, "bottom": bottom, "wspace": 0.02, "hspace": 0.03}
    grid = figure.add_gridspec(len(cases), len(columns) + 1, **edges)
    for line, shown in enumerate(cases):
        k = int((shown.reference > 0).sum(axis=(1, 2)).argmax())
        image, is_picture = _image(shown.case, k, size_px)
        window = (
            overlay.grey_window(image[:, :, None], shown.reference[k][:, :, None], [0]) if image.ndim == 2 else (0, 1)
        )
        for place, (name, labels) in enumerate({"reference": shown.reference, **shown.predictions}.items()):
            axes = figure.add_subplot(grid[line, place])
            text = "" if place else f"{shown.case['case_id']}" + ("" if is_picture else f" {k + 1}/{len(labels)}")
            sides = None if is_picture else ("R", "L")
            overlay.draw_slice(axes, image, labels[k], window, 1.0, text, sides=sides)
            if place:
                draw_outline(axes, shown.reference[k])
            if not line:
                axes.set_title(name, color=overlay.TEXT, fontsize=9)
    _legend(figure, label_names, n_lines, bottom)
    middle = 1 - 0.12 / inches[1]
    figure.text(0.01, middle, title, color=overlay.TEXT, fontsize=11, weight="bold", va="center")
    note = "white outline: the reference. Automatic; for research only"
    figure.text(0.99, middle, note, color=overlay.FAINT, fontsize=8, ha="right", va="center")
    with ResultFiles() as files:
        save_figure(figure, files.path(path), facecolor=overlay.PAGE)


def _image(case: Mapping[str, Any], k: int, size_px: int) -> tuple[NDArray[np.float32], bool]:
    """A slice [S, S], or a picture in colours [S, S, 3], and whether it is a picture."""
    samples = selection_of([case], "shown")
    is_picture = samples.modality == "picture"
    prepared = PreparedImages(samples, encoder=raw_pixels(), size_px=size_px)[0]
    assert not isinstance(prepared, str)  # it was encoded
    image = prepared[k].numpy()
    if not is_picture:
        return image[0], False
    # from mean 0 and deviation 1 back to 0 to 1
    pixels = load_picture(samples.samples[0])
    image = np.clip(image * pixels.std() + pixels.mean(), 0, 1)
    return image.transpose(1, 2, 0), True


def _legend(figure: Any, label_names: Sequence[str], n_lines: int, height: float) -> None:
    axes = figure.add_axes((0.01, 0, 0.98, height))
    axes.set_axis_off()
    names = list(enumerate(label_names))[1:]
    for number, (label, name) in enumerate(names):
        line, column = divmod(number, _LEGEND_COLUMNS)
        x, y = column / _LEGEND_COLUMNS, 0.9 - line * 0.9 / n_lines
        overlay.draw_squares(axes, [label], x, y, _LEGEND_POINTS + 2)
        axes.text(x + 0.02, y, name, color=overlay.TEXT, fontsize=_LEGEND_POINTS, va="top", transform=axes.transAxes)
