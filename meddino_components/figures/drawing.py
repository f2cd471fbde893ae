"""Draw panels in rows and columns on a white page, at most as wide as a page of a journal.

Slices are padded to a square before they are encoded; every panel shows the same part of this square: H rows (to
posterior), W columns (to the left), so anterior is up and the patient's right is on the left. Maps are not
interpolated: each patch has one colour, so they show exactly what the network returns.

Shapes: h, w patches or pixels of a panel.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import ResultFiles, check_results
from ..pictures.blank_figure import blank_figure, save_figure
from .scan_slice import Box, ScanSlice

FORMATS = (".png", ".pdf", ".svg")
_PAGE_MM = 183.0  # two columns of a journal; one is 89 mm
_TILE_MM = 40.0
_GAP_MM = 0.8
_NAME_MM = 2.8  # width of one line of a row's name
_LINE_MM = 3.4
_BAR_MM = 6.0  # height of the colour bar with its numbers
_POINTS = {"title": 7.5, "head": 6.5, "note": 6.0, "letter": 6.5}
_MM_A_CHARACTER = 0.205  # approximate width of a character at a font size of 1 point
# distinct from grey and from the colour map of the similarity (inferno)
_COLOURS = ("#00e5ff", "#5bff5b", "#ff6ad5", "#ffffff", "#6f9bff", "#fff04a")
_WHOLE = Box(0, 1, 0, 1)
_SCALE = (0.0, 1.0)  # range of the similarity, equal in all figures so that they can be compared
_BAR_OF_MM = 50.0  # length in the body that the scale bar represents

Mark = tuple[int, float, float]  # number, x and y in the square


@dataclass(frozen=True)
class Tile:
    """A panel.

    Attributes:
        pixels: values [h, w], or colours [h, w, 3] from 0 to 1.
        kind: kind of picture, which decides the colour map.
        box: part of the square that the pixels fill.
        window: values (low, high) shown as the ends of the colour map.
        marks: points to mark.
        bar: length of the scale bar as a share of the square's side; None draws neither the bar nor the letters R, L.
    """

    pixels: NDArray[np.floating[Any]]
    kind: Literal["grey", "colours", "similarity"]
    box: Box = _WHOLE
    window: tuple[float, float] = _SCALE
    marks: Sequence[Mark] = ()
    bar: float | None = None

    @classmethod
    def grey(
        cls, slice_: ScanSlice, window: tuple[float, float], *, marks: Sequence[Mark] = (), scale_bar: bool = False
    ) -> Tile:
        """Make a panel of a grey slice, optionally with a scale bar of 5 cm and the letters R and L."""
        bar = _BAR_OF_MM / slice_.side_mm if scale_bar else None
        return cls(slice_.image, "grey", slice_.box, window, marks, bar)

    @classmethod
    def map(cls, rgb: NDArray[np.floating[Any]]) -> Tile:
        """Make a panel of colours that fills the whole square."""
        return cls(rgb, "colours")

    @classmethod
    def similarity(cls, values: NDArray[np.floating[Any]], *, marks: Sequence[Mark] = ()) -> Tile:
        """Make a panel of cosine similarities that fills the whole square."""
        return cls(values, "similarity", marks=marks)


@dataclass(frozen=True)
class Sheet:
    """Content of a page.

    Attributes:
        rows: rows of panels, all of equal length.
        heads: headings of the columns.
        names: labels of the rows; empty for a figure with one row.
        view: part of the square that every panel shows.
        title: title of the page.
        note: footnote.
    """

    rows: Sequence[Sequence[Tile]]
    heads: Sequence[str]
    view: Box
    title: str
    note: str = ""
    names: Sequence[str] = ()


def check_format(path: Path) -> Path:
    """Return the path if a figure can be written to it.

    Raises:
        InputError: the suffix is not in `FORMATS`, the folder does not exist, or the file exists and must not be
            replaced.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path}: a figure must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}. Change the suffix")
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist. Create it first")
    check_results([path])
    return path


def draw(path: Path, sheet: Sheet, *, dpi: int = 300) -> None:
    """Draw the page and write it to a file; labels remain text in PDF and SVG.

    Args:
        path: file to write, which ends in one of `FORMATS`.
        sheet: content of the page.
        dpi: dots per inch of a PNG, and of the panels in other formats.

    Raises:
        InputError: matplotlib is not installed, or the path cannot be used, see `check_format`.
    """
    check_format(path)
    page = _laid_out(sheet)
    figure = blank_figure("figures", dpi=dpi, inches=(page.wide / 25.4, page.high / 25.4))
    from matplotlib import rc_context

    # write labels as text, not as outlines
    with rc_context({"pdf.fonttype": 42, "svg.fonttype": "none", "font.family": "DejaVu Sans"}):
        for r, row in enumerate(sheet.rows):
            for c, tile in enumerate(row):
                _draw_tile(figure.add_axes(page.tile(r, c)), tile, sheet.view)
        _write_labels(figure, page)
        if page.has_bar:
            _draw_bar(figure, page)
        with ResultFiles() as files:
            save_figure(figure, files.path(path), facecolor="white", metadata=_metadata(path))


@dataclass(frozen=True)
class _Page:
    """Layout of a page: lengths in mm, labels split into lines."""

    title: list[str]
    heads: list[list[str]]
    names: list[list[str]]
    note: list[str]
    tile_wide: float
    tile_high: float
    left: float
    above: float
    below: float
    wide: float
    high: float
    has_bar: bool

    def tile(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Return left, bottom, width and height of a panel as shares of the page."""
        left = self.left + column * (self.tile_wide + _GAP_MM)
        bottom = self.high - self.above - row * (self.tile_high + _GAP_MM) - self.tile_high
        return left / self.wide, bottom / self.high, self.tile_wide / self.wide, self.tile_high / self.high


def _laid_out(sheet: Sheet) -> _Page:
    n_rows, n_columns = len(sheet.rows), len(sheet.rows[0])
    ratio = (sheet.view.bottom - sheet.view.top) / (sheet.view.right - sheet.view.left)
    names = [_wrapped(name, _TILE_MM * ratio, _POINTS["head"]) for name in sheet.names]
    left = max((1.2 + _NAME_MM * len(lines) for lines in names), default=_GAP_MM)
    tile_wide = min(_TILE_MM, (_PAGE_MM - left) / n_columns - _GAP_MM)
    wide = left + n_columns * (tile_wide + _GAP_MM)
    title, note = _wrapped(sheet.title, wide, _POINTS["title"]), _wrapped(sheet.note, wide, _POINTS["note"])
    heads = [_wrapped(head, tile_wide, _POINTS["head"]) for head in sheet.heads]
    has_bar = any(tile.kind == "similarity" for row in sheet.rows for tile in row)
    above = _LINE_MM * (len(title) + max(len(head) for head in heads)) + 1.5
    below = (_BAR_MM if has_bar else 0.0) + 0.85 * _LINE_MM * len(note) + 1.0
    return _Page(
        title=title,
        heads=heads,
        names=names,
        note=note,
        tile_wide=tile_wide,
        tile_high=tile_wide * ratio,
        left=left,
        above=above,
        below=below,
        wide=wide,
        high=above + n_rows * (tile_wide * ratio + _GAP_MM) + below,
        has_bar=has_bar,
    )


def _write_labels(figure: Any, page: _Page) -> None:
    start = page.left / page.wide
    figure.text(start, 1 - 0.8 / page.high, "\n".join(page.title), va="top", weight="bold", **_font("title"))
    figure.text(start, 0.8 / page.high, "\n".join(page.note), va="bottom", linespacing=1.15, **_font("note"))
    foot = 1 - (page.above - 0.8) / page.high
    for column, head in enumerate(page.heads):
        left, _, wide, _ = page.tile(0, column)
        text = "\n".join(head)
        figure.text(left + wide / 2, foot, text, va="bottom", ha="center", linespacing=1.1, **_font("head"))
    upright: dict[str, Any] = {"rotation": 90, "rotation_mode": "anchor", "va": "bottom", "ha": "center"}
    for row, name in enumerate(page.names):
        left, bottom, _, high = page.tile(row, 0)
        beside = left - 1.0 / page.wide
        figure.text(beside, bottom + high / 2, "\n".join(name), linespacing=1.1, **upright, **_font("head"))


def _wrapped(text: str, wide_mm: float, points: float) -> list[str]:
    """Split a text into lines that fit the width."""
    return textwrap.wrap(text, max(8, int(wide_mm / (_MM_A_CHARACTER * points))))


def _font(which: str) -> dict[str, Any]:
    return {"fontsize": _POINTS[which], "color": "black"}


def _metadata(path: Path) -> dict[str, Any]:
    """Return metadata without a date, so that drawing a figure twice gives identical files."""
    return {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}.get(path.suffix.lower(), {})


def _draw_tile(axes: Any, tile: Tile, view: Box) -> None:
    from matplotlib.patheffects import withStroke

    box = tile.box
    extent = (box.left, box.right, box.bottom, box.top)
    if tile.kind == "colours":
        axes.imshow(tile.pixels, extent=extent, interpolation="nearest", aspect="auto")
    else:
        grey = tile.kind == "grey"
        low, high = tile.window
        smooth = "bicubic" if grey else "nearest"
        colours = "gray" if grey else "inferno"
        axes.imshow(tile.pixels, cmap=colours, vmin=low, vmax=high, extent=extent, interpolation=smooth, aspect="auto")
    outline = [withStroke(linewidth=1.6, foreground="black")]
    for number, x, y in tile.marks:
        colour = _COLOURS[(number - 1) % len(_COLOURS)]
        ring = {"marker": "o", "markersize": 4.5, "markerfacecolor": "none"}
        axes.plot(x, y, color="black", markeredgewidth=2.2, **ring)
        axes.plot(x, y, color=colour, markeredgewidth=1.1, **ring)
        axes.annotate(
            str(number), (x, y), (3, 2.5), textcoords="offset points", weight="bold", path_effects=outline,
            color=colour, fontsize=_POINTS["letter"],
        )  # fmt: skip
    if tile.bar is not None:
        letters = {"transform": axes.transAxes, "color": "white", "fontsize": _POINTS["letter"], "va": "center"}
        axes.text(0.02, 0.5, "R", path_effects=outline, **letters)
        axes.text(0.98, 0.5, "L", ha="right", path_effects=outline, **letters)
        wide = tile.bar / (view.right - view.left)
        axes.plot([0.03, 0.03 + wide], [0.04, 0.04], color="white", linewidth=1.4, transform=axes.transAxes,
                  solid_capstyle="butt", path_effects=outline)  # fmt: skip
        axes.text(0.03, 0.06, "5 cm", path_effects=outline, **{**letters, "va": "bottom"})
    axes.set(xlim=(view.left, view.right), ylim=(view.bottom, view.top), xticks=[], yticks=[], facecolor="black")
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_bar(figure: Any, page: _Page) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    wide, high = page.wide, page.high
    long, top_mm = min(40.0, 0.4 * wide), page.below - 2.4
    axes = figure.add_axes(((wide - long - 3) / wide, top_mm / high, long / wide, 1.6 / high))
    bar = figure.colorbar(
        ScalarMappable(Normalize(*_SCALE), "inferno"), cax=axes, orientation="horizontal", extend="min"
    )
    bar.set_ticks([0, 0.5, 1])
    bar.ax.tick_params(labelsize=_POINTS["note"], length=1.5, width=0.4, pad=1)
    bar.outline.set_linewidth(0.4)
    at = ((wide - long - 5) / wide, (top_mm + 0.8) / high)
    figure.text(*at, "cosine similarity", va="center", ha="right", **_font("note"))
