"""Read volumes in the sparse CSV files of OpenKBP: the numbers and values of voxels on a grid of 128 x 128 x 128.

The authors' arrays are [rows to the back, columns to the left, slices upwards] in C order; a file lists flat indices
into them. ``ct.csv`` lists HU + 1000 of voxels above 0, masks list indices alone, and ``voxel_dimensions.csv`` next to
them has the size of a voxel in mm. X, Y, Z: columns, rows, slices.

Reference: Babier et al., OpenKBP: The open-access knowledge-based planning grand challenge, arXiv 2011.14076.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from .grid_checks import VolumeHeader

SPARSE_SUFFIX = ".csv"
VOXEL_DIMENSIONS = "voxel_dimensions.csv"
_SIDE = 128
_OUTSIDE_HU = -1000


def is_sparse_csv(path: Path) -> bool:
    """Return whether a file's name is that of a sparse CSV file."""
    return path.name.lower().endswith(SPARSE_SUFFIX)


def read_sparse_header(path: Path) -> VolumeHeader:
    """Return the grid of a sparse CSV file, by the sizes next to it; its first voxel is at the origin.

    Raises:
        InputError: ``voxel_dimensions.csv`` is missing or does not hold three positive numbers.
    """
    sizes = path.with_name(VOXEL_DIMENSIONS)
    try:
        row_mm, column_mm, slice_mm = np.loadtxt(sizes, dtype=np.float64)
    except FileNotFoundError as error:
        raise InputError(
            f"{sizes}: no such file; it has the voxel size of {path.name}. Complete the download."
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{sizes}: expected three numbers in mm, one a line ({error}). Download it again.") from error
    edges = np.array([column_mm, row_mm, slice_mm])
    if not (np.isfinite(edges).all() and (edges > 0).all()):
        raise InputError(f"{sizes}: the voxel size is {edges.tolist()}; expected positive numbers. Download it again.")
    return VolumeHeader(shape=(_SIDE, _SIDE, _SIDE), affine=np.diag([-column_mm, -row_mm, slice_mm, 1.0]))


def read_sparse_voxels(path: Path, *, is_label: bool) -> NDArray[Any]:
    """Return voxels [X, Y, Z]: uint8 of 0 and 1 for a mask, int16 in HU for a CT.

    Raises:
        InputError: the file cannot be read, or an index is outside the grid.
    """
    try:
        columns = np.loadtxt(path, delimiter=",", skiprows=1, usecols=(0,) if is_label else (0, 1), ndmin=2)
    except (OSError, ValueError, IndexError) as error:
        what = "an index a line" if is_label else "an index and a value a line"
        raise InputError(f"{path}: cannot be read as {what} ({error}). Download it again.") from error
    index = columns[:, 0].astype(np.int64)
    if (outside := index[(index < 0) | (index >= _SIDE**3)]).size:
        raise InputError(
            f"{path}: has voxel {outside[0]}; expected 0 to {_SIDE**3 - 1}, on a grid of {_SIDE} x {_SIDE} x {_SIDE}. "
            "Download it again."
        )
    voxels = np.full(_SIDE**3, 0 if is_label else _OUTSIDE_HU, np.uint8 if is_label else np.int16)
    voxels[index] = 1 if is_label else np.rint(columns[:, 1]) + _OUTSIDE_HU
    return voxels.reshape(_SIDE, _SIDE, _SIDE).transpose(1, 0, 2)
