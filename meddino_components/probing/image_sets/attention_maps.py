"""Maps of attention over slides, with the tiles that received most of it.

Shapes: n tiles of a slide, H rows, W columns.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...data.image_sets import Origins, Sample, Selection, Slide, Tiling, WholeSlide, slide_of
from ...errors import InputError
from ...files import ResultFiles
from ...pictures.blank_figure import blank_figure, save_figure
from ..probes.bags import LabelledBags
from ..probes.probe import ProbeScores

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]

_THUMBNAIL_PX = 1000
_COLUMNS = 8  # of tiles
_ROWS_BELOW, _ROWS_ALONE = 1, 3  # below a whole slide, and of a folder of tiles
_INCHES, _SLIDE_INCHES, _TILE_INCHES = 12.0, 5.5, 1.7


def write_attention_maps(
    folder: Path, slides: Selection, bags: LabelledBags, found: ProbeScores, *, n_maps: int
) -> list[Path]:
    """Draw some test slides, evenly spaced in their order, as ``<number>_<sample>.png``.

    A whole-slide file is drawn with the attention over it and the tiles with most attention, a folder of tiles with
    these tiles alone. Attention is given in multiples of the mean tile's. A slide that can no longer be read gets a
    warning instead of a map.

    Args:
        folder: output folder, created if missing.
        slides: test split of the image set.
        bags: the scored samples of ``slides``.
        found: their scores and attention.
        n_maps: number of slides to draw.

    Raises:
        InputError: matplotlib is not installed.
    """
    written = []
    for place in np.unique(np.linspace(0, len(bags) - 1, min(n_maps, len(bags))).round().astype(int)):
        number = int(bags.samples[place])
        sample = slides.samples[number]
        attention = found.attention[place].double().numpy()
        heading = f"{sample.sample_id}: {_verdict(slides, sample, found.scores[place].tolist())}"
        path = folder / f"{number:04d}_{sample.sample_id.replace('/', '_')}.png"
        try:
            _write(path, sample, slides.tiling or Tiling(), bags.embeddings.items(number, "origin"), attention, heading)
        except InputError as error:
            # a missing library affects all maps
            if isinstance(error.__cause__, ImportError):
                raise
            logger.warning("no attention map of %s: %s", sample.sample_id, error)
            continue
        written.append(path)
    return written


def _verdict(slides: Selection, sample: Sample, scores: Sequence[float]) -> str:
    names = slides.label_names
    if slides.multi_label:
        said = zip(names, sample.labels, scores, strict=True)
        return ", ".join(f"{name} {label} (predicted {score:.2f})" for name, label, score in said)
    predicted = int(np.argmax(scores))
    return f"{names[sample.labels[0]]}, predicted {names[predicted]} ({scores[predicted]:.2f})"


def _write(path: Path, sample: Sample, tiling: Tiling, origins: Origins, attention: FloatArray, heading: str) -> None:
    slide = slide_of(sample.image, tiling)
    relative = attention * len(attention)
    is_whole = isinstance(slide, WholeSlide)
    rows = min(_ROWS_BELOW if is_whole else _ROWS_ALONE, -(-len(origins) // _COLUMNS))
    heights = [_SLIDE_INCHES] * is_whole + [_TILE_INCHES * rows]
    figure = blank_figure(
        "attention maps",
        dpi=100,
        inches=(_INCHES, sum(heights) + 0.4),
        constrained=True,
        otherwise="set attention_maps to 0",
    )
    figure.suptitle(heading, fontsize=10)
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    if isinstance(slide, WholeSlide):
        _draw_slide(parts[0], slide, origins, relative)
    _draw_tiles(parts[-1], slide, origins, relative, rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with ResultFiles() as files:
        save_figure(figure, files.path(path))


def _draw_slide(part: SubFigure, slide: WholeSlide, origins: Origins, relative: FloatArray) -> None:
    thumbnail = slide.thumbnail(_THUMBNAIL_PX)
    left, right = part.subplots(1, 2)
    for axes in (left, right):
        axes.imshow(thumbnail)
        axes.set_axis_off()
    # on a grey slide, so that the only colours are those of attention
    right.imshow(thumbnail.mean(axis=-1), cmap="gray", vmin=0, vmax=255)
    shown = right.imshow(
        over_slide(slide, origins, relative, thumbnail.shape[:2]),
        cmap="inferno",
        vmin=0,
        vmax=float(relative.max()),
        alpha=0.7,
        interpolation="nearest",
    )
    bar = part.colorbar(shown, ax=right, shrink=0.8)
    bar.set_label("attention, multiples of the mean tile's", fontsize=8)
    bar.ax.tick_params(labelsize=8)


def over_slide(slide: WholeSlide, origins: Origins, values: FloatArray, shape: Sequence[int]) -> FloatArray:
    """Paint values of tiles [n] on a picture [H, W] of the slide; NaN where there is no tile."""
    scale = np.array(shape[::-1]) / slide.size()
    corners = np.stack((origins, origins + np.array(slide.tile_size())), axis=1) * scale
    painted = np.full(tuple(shape), np.nan)
    for ((left, top), (right, bottom)), value in zip(corners.round().astype(int), values, strict=True):
        painted[top : max(bottom, top + 1), left : max(right, left + 1)] = value
    return painted


def _draw_tiles(part: SubFigure, slide: Slide, origins: Origins, relative: FloatArray, rows: int) -> None:
    """Draw the tiles with most attention, in descending order."""
    grid: Any = part.subplots(rows, _COLUMNS, squeeze=False)
    most = np.argsort(-relative, kind="stable")[: rows * _COLUMNS]
    for axes, tile in zip(grid.flat, most, strict=False):
        pixels = slide.read_tile(origins[tile])
        axes.imshow(np.moveaxis(np.broadcast_to(pixels, (3, *pixels.shape[1:])), 0, -1))
        axes.set_title(f"{relative[tile]:.2f} x", fontsize=8, pad=2)
    for axes in grid.flat:
        axes.set_axis_off()
