"""Draw the part of a slice that a crop shows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# lowest and highest width / height in mm
ASPECT_RATIOS = (3 / 4, 4 / 3)
_ATTEMPTS = 10


def draw_windows(
    generator: np.random.Generator,
    *,
    n_crops: int,
    shape: tuple[int, int],
    spacing_mm: tuple[float, float],
    scale: tuple[float, float],
) -> NDArray[np.int64]:
    """Draw windows of a slice: a share of its area, an aspect ratio (log-uniform), then a position, all uniform.

    The published pipeline resamples slices to 0.45 x 0.45 mm first and cuts windows from the result. Here the window is
    cut from the slice as scanned, with the aspect ratio in mm, and resampled once to the crop's size: it shows the same
    part of the patient, and nothing is interpolated twice.

    Args:
        generator: random generator, which always advances by the same amount.
        n_crops: number of windows to draw.
        shape: numbers of rows and columns of the slice.
        spacing_mm: spacing between rows and between columns in mm.
        scale: smallest and largest share of the slice's area.

    Returns:
        Windows [n_crops, 4]: top row, left column, rows, columns, inside the slice. If none of ten attempts fits, the
        largest window with an allowed aspect ratio in the slice's centre.

    Reference: Szegedy et al., Going deeper with convolutions, arXiv 1409.4842, section 6; the rule of torchvision's
    RandomResizedCrop.
    """
    height, width = shape
    area, aspect, *place = np.moveaxis(generator.random((n_crops, _ATTEMPTS, 4)), -1, 0)
    area = (scale[0] + (scale[1] - scale[0]) * area) * (height * width)
    lowest, highest = (ratio * spacing_mm[0] / spacing_mm[1] for ratio in ASPECT_RATIOS)  # in pixels
    aspect = lowest * (highest / lowest) ** aspect
    rows, columns = np.rint(np.sqrt(area / aspect)), np.rint(np.sqrt(area * aspect))
    fits = (rows >= 1) & (rows <= height) & (columns >= 1) & (columns <= width)
    sizes = np.stack((rows, columns), axis=-1)
    tops_and_lefts = np.floor(np.stack(place, axis=-1) * (np.array(shape) - sizes + 1))
    windows = np.concatenate((tops_and_lefts, sizes), axis=-1)[np.arange(n_crops), fits.argmax(axis=1)]
    windows[~fits.any(axis=1)] = _central_window(height, width, lowest, highest)
    return windows.astype(np.int64)


def _central_window(height: int, width: int, lowest: float, highest: float) -> tuple[int, int, int, int]:
    rows = min(height, max(1, math.floor(width / lowest + 0.5)))
    columns = min(width, max(1, math.floor(height * highest + 0.5)))
    return (height - rows) // 2, (width - columns) // 2, rows, columns
