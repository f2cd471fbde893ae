"""Check that a grid of voxels is usable, and decide when two grids are the same."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...errors import InputError

GRID_TOLERANCE = 1e-3
"""Largest distance between the first voxels of two grids that count as the same, as a share of the shortest voxel edge.

Rounding to float32 or to few digits causes smaller deviations; different grids deviate more.
"""
ROTATION_PRECISION = 1e-4
"""Precision in radians of a rotation stored as the three float32 numbers of a NIfTI quaternion.

The fourth number is computed from these, which loses half of the digits near half turns.
"""
SHEAR_TOLERANCE = 1e-3
"""Highest cosine between two axes that counts as rectangular."""

FloatArray = npt.NDArray[np.float64]

# DICOM and ITK measure towards left and posterior, NIfTI towards right and anterior; the matrix is its own inverse
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, kw_only=True)
class VolumeHeader:
    """The grid of a volume as stated in its header.

    Attributes:
        shape: numbers of voxels along the three stored axes.
        affine: affine [4, 4] from voxel indices to RAS mm.
    """

    shape: tuple[int, int, int]
    affine: FloatArray


def corner_distance_mm(a: FloatArray, b: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return the distances in mm, [8], between the corner voxels of a grid of `shape` under two affines."""
    corners = np.array(list(itertools.product(*[(0, n - 1) for n in shape[:3]], (1,))), dtype=float)
    return np.linalg.norm((corners @ (np.asarray(a, float) - np.asarray(b, float)).T)[:, :3], axis=1)


def shortest_edge_mm(affine: FloatArray) -> float:
    """Return the shortest edge of a voxel in mm."""
    return float(np.linalg.norm(np.asarray(affine, float)[:3, :3], axis=0).min())


def grid_excess_mm(a: FloatArray, b: FloatArray, shape: tuple[int, ...], tolerance: float = GRID_TOLERANCE) -> float:
    """Return how far apart in mm two affines place a corner of a grid, or 0 if the grids are the same.

    The first voxel may deviate by ``tolerance`` times the shortest voxel edge; other voxels also by the shift due to a
    rotation of `ROTATION_PRECISION`.
    """
    distance = corner_distance_mm(a, b, shape)
    allowed = tolerance * shortest_edge_mm(a)
    steps = np.asarray(a, float)[:3, :3] * (np.array(shape[:3]) - 1)
    reach = np.array([np.linalg.norm(steps @ np.array(corner)) for corner in itertools.product((0, 1), repeat=3)])
    return 0.0 if (distance <= allowed + ROTATION_PRECISION * reach).all() else float(distance.max())


def check_affine(affine: FloatArray, path: str | Path) -> None:
    """Refuse an affine that is not a rotation times a positive spacing.

    Raises:
        InputError: the affine has non-finite entries, an axis of length zero, linearly dependent axes, or shear.
    """
    matrix = np.asarray(affine, dtype=float)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise InputError(
            f"{path}: the affine has shape {matrix.shape} or holds NaN or infinite values; "
            "expected a finite 4 x 4 matrix. Export the image again or set its affine."
        )
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    if (spacing < 1e-6).any():
        raise InputError(
            f"{path}: voxel spacing is {plain(spacing)} mm; expected three positive numbers. Set the spacing in the "
            "header."
        )
    cosines = (matrix[:3, :3] / spacing).T @ (matrix[:3, :3] / spacing)
    if abs(np.linalg.det(matrix[:3, :3] / spacing)) < SHEAR_TOLERANCE:
        raise InputError(f"{path}: the affine is singular (two axes point the same way). Repair the header's axes.")
    shear = np.abs(cosines - np.eye(3)).max()
    if shear > SHEAR_TOLERANCE:
        raise InputError(
            f"{path}: the axes are sheared (cosine {shear:.4f} between two of them, expected less than "
            f"{SHEAR_TOLERANCE}), as from gantry tilt. Resample the volume onto a rectangular grid first."
        )


def spatial_shape(shape: tuple[int, ...], path: str | Path) -> tuple[int, int, int]:
    """Return three sizes; trailing singleton axes are dropped, a missing third axis is added.

    Raises:
        InputError: the image is a time series or a vector image, or an axis has no voxels.
    """
    sizes = [int(n) for n in shape]
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    if len(sizes) > 3:
        raise InputError(
            f"{path}: the image has shape {plain(shape)}; expected one 3D volume. Split the time series or the "
            "channels into one file each (for example with `fslsplit`) and list the one you need."
        )
    if not sizes or min(sizes) < 1:
        raise InputError(f"{path}: the image has shape {plain(shape)}, without voxels. Export it again.")
    sizes += [1] * (3 - len(sizes))
    return sizes[0], sizes[1], sizes[2]


def channel_shape(shape: tuple[int, ...], n_channels: int, path: str | Path) -> tuple[int, int, int]:
    """Return the three sizes of a volume whose fourth axis is that of its channels.

    Raises:
        InputError: the file has another number of axes or of channels, or an axis has no voxels.
    """
    sizes = [int(n) for n in shape]
    if len(sizes) != 4 or sizes[3] != n_channels:
        found = f"{sizes[3]} channels" if len(sizes) == 4 else f"{len(sizes)} axes"
        raise InputError(
            f"{path}: the image has shape {plain(shape)}, so {found}; expected {n_channels} channels along a fourth "
            f"axis, as the data set states. Correct the list of channels, or download the file again."
        )
    return spatial_shape(tuple(sizes[:3]), path)


def plain(values: npt.ArrayLike) -> str:
    """Format numbers for a message, such as ``(0.7, 0.7, 3)``, without numpy's type names."""
    return "(" + ", ".join(f"{value:.6g}" for value in np.ravel(values)) + ")"
