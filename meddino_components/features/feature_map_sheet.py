"""A sheet of slices with their feature maps.

Each row is a slice: the slice with its points, three principal components as colours, then a map of cosine similarity
to each point. H rows (to posterior), W columns (to the left): anterior is up and the patient's right on the left.

Shapes: S slices, h, w patches, Q points of a slice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ..pictures.blank_figure import blank_figure, save_figure
from ..pictures.overlay import FAINT, PAGE, TEXT, grey_window
from .feature_maps import PrincipalColours, choose_points, cosine_maps, foreground_patches, principal_colours

_TILE_INCHES = 2.4
_HEAD_INCHES, _FOOT_INCHES = 0.75, 0.55
_AIR_BRIGHTNESS = 0.35
_COLOURS = ("#ff5a5f", "#ffe119", "#00dcdc", "#f032e6", "#5bd75b", "#ffa028")  # of points, distinct on grey


@dataclass(frozen=True)
class SheetRow:
    """One slice.

    Attributes:
        name: text on the slice.
        image: pixels [H, W] in any units.
        rgb: colours [h, w, 3] from 0 to 1.
        similarities: cosine similarities [Q, h, w] from -1 to 1.
        points: (row, column) of the Q patches.
    """

    name: str
    image: NDArray[np.floating[Any]]
    rgb: NDArray[np.floating[Any]]
    similarities: NDArray[np.floating[Any]]
    points: Sequence[tuple[int, int]]


def write_feature_maps(
    path: Path,
    *,
    slices: Sequence[Mapping[str, Any]],
    patches: Tensor,
    grid: tuple[int, int],
    title: str,
    note: str = "",
    n_points: int = 3,
    window: tuple[float, float] | None = None,
    previous: Tensor | None = None,
) -> PrincipalColours:
    """Draw slices with the maps of their features.

    Args:
        path: PNG to write.
        slices: S dicts with ``image`` [C, H, W] and optionally ``label`` [1, H, W], ``case_id`` and ``slice``; of three
            channels the middle one is drawn.
        patches: features of the slices, [S, P, D].
        grid: rows and columns of patches.
        title: title of the sheet, for instance the iteration.
        note: fainter text beside the title.
        n_points: number Q of points, see `choose_points`.
        window: (low, high) grey window in the images' units; None derives it from the slices.
        previous: components of an earlier sheet of the same slices, to which colours are aligned.

    Returns:
        the colours; pass their ``scores`` as ``previous`` to the next sheet.

    Raises:
        InputError: matplotlib is not installed.
    """
    images = torch.stack([torch.as_tensor(item["image"]) for item in slices]).float()
    patch_size = images.shape[-1] // grid[1]
    brightness = avg_pool2d(images.mean(1, keepdim=True), patch_size).flatten(1)
    foreground = foreground_patches(images, patch_size)
    colours = principal_colours(patches, foreground, brightness=brightness, previous=previous)
    # air has no structure worth a bright colour, but what the network makes of it stays visible
    shown = torch.where(foreground[..., None], colours.rgb, _AIR_BRIGHTNESS * colours.rgb)
    rows = []
    for number, item in enumerate(slices):
        label = np.asarray(item["label"])[0] if "label" in item else None
        points = choose_points(n_points, grid, labels=label, foreground=foreground[number])
        rows.append(
            SheetRow(
                name=f"{item.get('case_id', '')} slice {int(item.get('slice', number)) + 1}".strip(),
                image=images[number, images.shape[1] // 2].numpy(),
                rgb=shown[number].unflatten(0, grid).numpy(),
                similarities=cosine_maps(patches[number], points).unflatten(1, grid).numpy(),
                points=[divmod(point, grid[1]) for point in points],
            )
        )
    note = f"{note}   three components: {100 * colours.explained:.0f} % of variance".strip()
    _draw_sheet(path, rows, title=title, note=note, window=window or _window(rows, slices))
    return colours


def _window(rows: Sequence[SheetRow], slices: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """The grey window of overlays, which shows soft tissue."""
    image = np.stack([row.image for row in rows], -1)
    labels = np.stack([np.asarray(item.get("label", torch.zeros(1, *image.shape[:2])))[0] for item in slices], -1)
    return grey_window(image, labels.astype(np.uint8), range(len(rows)))


def _draw_sheet(path: Path, rows: Sequence[SheetRow], *, title: str, note: str, window: tuple[float, float]) -> None:
    """Draw the rows; each patch has one colour, without interpolation, to show exactly what the network gives."""
    n_points = len(rows[0].points)
    height, width = rows[0].image.shape
    n_columns, tile = 2 + n_points, _TILE_INCHES * height / width
    inches = (_TILE_INCHES * n_columns, _HEAD_INCHES + tile * len(rows) + _FOOT_INCHES)
    figure = blank_figure("feature maps", dpi=110, inches=inches, facecolor=PAGE, otherwise="turn the pictures off")
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    edges = {
        "left": 0.004,
        "right": 0.996,
        "top": 1 - _HEAD_INCHES / inches[1],
        "bottom": _FOOT_INCHES / inches[1],
        "wspace": 0.025,
        "hspace": 0.03,
    }
    axes = figure.subplots(len(rows), n_columns, squeeze=False, gridspec_kw=edges)
    scale = Normalize(0.0, 1.0)  # the same in every sheet, so that they can be compared
    heads = ["slice", "principal components", *(f"similarity to point {q + 1}" for q in range(n_points))]
    for tiles, row in zip(axes, rows, strict=True):
        _draw_row(tiles, row, window, scale)
    for tile_axes, head in zip(axes[0], heads, strict=True):
        tile_axes.set_title(head, color=FAINT, fontsize=9, pad=4)
    line = 1 - 0.22 / inches[1]
    figure.text(0.006, line, title, color=TEXT, fontsize=12, weight="bold", va="center")
    figure.text(0.994, line, note, color=FAINT, fontsize=8, va="center", ha="right")
    if n_points:
        at = (0.5, 0.36 / inches[1], 0.35, 0.1 / inches[1])
        bar = figure.colorbar(
            ScalarMappable(scale, "inferno"), cax=figure.add_axes(at), orientation="horizontal", extend="min"
        )
        bar.ax.tick_params(labelsize=7, colors=FAINT, length=2)
        bar.outline.set_visible(False)
        figure.text(0.86, 0.41 / inches[1], "cosine similarity", color=FAINT, fontsize=8, va="center")
    save_figure(figure, path, facecolor=PAGE)


def _draw_row(tiles: Sequence[Any], row: SheetRow, window: tuple[float, float], scale: Any) -> None:
    from matplotlib.patheffects import withStroke

    height, width = row.image.shape
    legible = {"path_effects": [withStroke(linewidth=2, foreground="black")]}
    # maps lie over the pixels they were made from; a remainder of the slice beyond the last patch stays empty
    n_rows, n_columns = row.rgb.shape[:2]
    side = (height // n_rows, width // n_columns)
    extent = (-0.5, n_columns * side[1] - 0.5, n_rows * side[0] - 0.5, -0.5)
    tiles[0].imshow(row.image, cmap="gray", vmin=window[0], vmax=window[1], interpolation="bilinear")
    tiles[0].text(0.02, 0.98, row.name, va="top", transform=tiles[0].transAxes, color=TEXT, fontsize=8, **legible)
    for x, letter, align in ((0.02, "R", "left"), (0.98, "L", "right")):
        tiles[0].text(
            x, 0.5, letter, transform=tiles[0].transAxes, color=TEXT, fontsize=8, va="center", ha=align, **legible
        )
    tiles[1].imshow(row.rgb, extent=extent, interpolation="nearest")
    for q, (point, map_) in enumerate(zip(row.points, row.similarities, strict=True)):
        tiles[2 + q].imshow(map_, cmap="inferno", norm=scale, extent=extent, interpolation="nearest")
        middle = ((point[1] + 0.5) * side[1] - 0.5, (point[0] + 0.5) * side[0] - 0.5)
        colour = _COLOURS[q % len(_COLOURS)]
        for axes in (tiles[0], tiles[2 + q]):
            axes.plot(*middle, marker="o", markersize=7, markeredgewidth=3.2, markerfacecolor="none", color="black")
            axes.plot(*middle, marker="o", markersize=7, markeredgewidth=1.6, markerfacecolor="none", color=colour)
        tiles[0].annotate(
            str(q + 1), middle, (5, 4), textcoords="offset points", color=colour, fontsize=8, weight="bold", **legible
        )
    for axes in tiles:
        axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
        axes.set_axis_off()
