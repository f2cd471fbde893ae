"""Read a label map that consists of a binary mask for each class, each in its own file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from .file_checks import read_header
from .grid_checks import FloatArray, VolumeHeader, grid_excess_mm, plain
from .volume_file import read_volume_file


def read_class_masks(
    masks: Mapping[int, str | Path], *, spacing_mm: Sequence[float] | None = None
) -> tuple[NDArray[np.uint8], FloatArray, int]:
    """Return one label map [X, Y, Z], its affine [4, 4], and the number of voxels that are in several masks.

    Masks may overlap, as those of a kidney and of a cyst in it: such a voxel gets the highest label. TotalSegmentator's
    own conversion to nnU-Net does the same; to refuse overlaps would refuse most cases of such data sets.

    Args:
        masks: file of the mask by label; voxels other than 0 belong to the class.
        spacing_mm: spacing of files whose header has none, see `read_volume_file`.

    Raises:
        InputError: there is no mask, a file cannot be read, a mask has more than one value besides 0, or grids differ.
    """
    if not masks:
        raise InputError("the case has no mask of a class; expected a file for at least one.")
    first, *_ = files = [Path(path) for _, path in sorted(masks.items())]
    grid = read_header(first, spacing_mm=spacing_mm, is_scan=False)
    labels, n_shared = np.zeros(grid.shape, np.uint8, order="F"), 0
    for label, path in zip(sorted(masks), files, strict=True):
        mask, affine = read_volume_file(path, spacing_mm=spacing_mm, is_label=True)
        _check_grid(VolumeHeader(shape=mask.shape[:3], affine=affine), path, grid, first)
        n_shared += _put(labels, mask, label, path)
    return labels, grid.affine, n_shared


def _check_grid(own: VolumeHeader, path: Path, grid: VolumeHeader, first: Path) -> None:
    if own.shape != grid.shape or grid_excess_mm(grid.affine, own.affine, grid.shape):
        raise InputError(
            f"{path}: its grid (shape {plain(own.shape)}) is not that of {first} (shape {plain(grid.shape)}); expected "
            "the same grid for all masks of a case. Resample one onto the other by nearest neighbour."
        )


def _put(labels: NDArray[np.uint8], mask: NDArray[Any], label: int, path: Path) -> int:
    """Write the label where the mask is; return how many of these voxels had another label."""
    high = mask.max()
    # most masks of a large set are empty: the maximum alone tells
    if high == 0 and mask.min() == 0:
        return 0
    inside = mask == high
    if np.count_nonzero(inside) != np.count_nonzero(mask):
        other = mask[(mask != 0) & ~inside].flat[0]
        raise InputError(
            f"{path}: contains {other:g} and {high:g}; expected a binary mask, 0 and one other value. Check "
            "that this is the mask of one class."
        )
    n_shared = int(np.count_nonzero(labels[inside]))
    labels[inside] = label
    return n_shared
