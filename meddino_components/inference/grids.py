"""One grid of voxels seen in another orientation: axes swapped and flipped, nothing interpolated."""

from __future__ import annotations

from typing import Any

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff
from numpy.typing import NDArray

from ..data.grid_checks import plain, shortest_edge_mm
from ..errors import InputError

TOLERANCE = 1e-3
"""How far two grids may place an axis or the first voxel apart, as a share of the shortest voxel edge.

Inverted transforms are exact to far less; an affine that went through float32 may not be.
"""


def same_grid(affine: NDArray[np.float64], target_affine: NDArray[np.float64]) -> bool:
    """Whether two affines agree to `TOLERANCE`."""
    edge_mm = shortest_edge_mm(target_affine)
    return np.allclose(affine, target_affine, rtol=0, atol=TOLERANCE * edge_mm)


def as_on_grid(
    array: NDArray[Any], affine: NDArray[np.float64], target_affine: NDArray[np.float64], target_shape: tuple[int, ...]
) -> NDArray[Any]:
    """View an array with the axes of another grid over the same voxels.

    The axes are found from the two affines themselves, so oblique and sheared grids need no decision about which axis
    is which.

    Args:
        array: [X, Y, Z, ...] on the grid ``affine``.
        affine: [4, 4], voxels to mm.
        target_affine: [4, 4] of the same voxels in another order.
        target_shape: (X', Y', Z').

    Returns:
        A view of ``array`` (writing to it writes to ``array``).

    Raises:
        InputError: the grids do not share their voxels to a thousandth of a voxel.
    """
    step = (np.linalg.inv(target_affine) @ affine)[:3, :3]
    axes = np.abs(step).argmax(axis=0)
    ornt = np.stack([axes, np.sign(step[axes, [0, 1, 2]])], axis=1)
    if sorted(axes) == [0, 1, 2]:
        view = apply_orientation(array, ornt)
        reached = affine @ inv_ornt_aff(ornt, array.shape[:3])
        if view.shape[:3] == tuple(target_shape) and same_grid(reached, target_affine):
            return view
    raise InputError(
        f"the prediction's grid (shape {plain(array.shape[:3])}, affine {np.round(affine, 3).tolist()}) does not hold "
        f"the voxels of the input's (shape {plain(target_shape)}, affine {np.round(target_affine, 3).tolist()}). "
        "Invert the preprocessing before writing"
    )
