"""Compare grids, and view a grid in another orientation by swapping and flipping axes, without interpolation."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from nibabel.orientations import apply_orientation, inv_ornt_aff
from numpy.typing import NDArray

from ...errors import InputError
from .grid_checks import GRID_TOLERANCE, grid_excess_mm, plain, shortest_edge_mm

TOLERANCE = 1e-3
"""Largest deviation of an axis or the first voxel between equal grids, as a share of the shortest voxel edge.

Inverted transforms deviate far less, but an affine rounded to float32 may not.
"""


def same_grid(affine: NDArray[np.float64], target_affine: NDArray[np.float64]) -> bool:
    """Return whether two affines agree to `TOLERANCE`."""
    edge_mm = shortest_edge_mm(target_affine)
    return np.allclose(affine, target_affine, rtol=0, atol=TOLERANCE * edge_mm)


def as_on_grid(
    array: NDArray[Any], affine: NDArray[np.float64], target_affine: NDArray[np.float64], target_shape: tuple[int, ...]
) -> NDArray[Any]:
    """View an array with the axes of another grid over the same voxels.

    The two affines determine how axes correspond, so this also works for oblique and sheared grids.

    Args:
        array: array [X, Y, Z, ...] on the grid ``affine``.
        affine: affine [4, 4] from voxels to mm.
        target_affine: affine [4, 4] of the same voxels in another order.
        target_shape: shape (X', Y', Z') of the target grid.

    Returns:
        A view of ``array`` (writing to it writes to ``array``).

    Raises:
        InputError: the voxels of the grids differ by more than a thousandth of a voxel.
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
        f"the prediction's grid (shape {plain(array.shape[:3])}, affine {np.round(affine, 3).tolist()}) does not "
        f"contain the voxels of the input's (shape {plain(target_shape)}, affine "
        f"{np.round(target_affine, 3).tolist()}). "
        "Invert the preprocessing before writing"
    )


class CheckSameGridd(MapTransform):
    """Refuse a case whose volumes do not share a grid.

    Args:
        keys: `MetaTensor` [C, X, Y, Z] items to compare with the first of them.
        tolerance: largest distance between corner voxels, as a share of the shortest voxel edge, see `grid_excess_mm`.
        allow_missing_keys: whether to skip keys that the case lacks.

    Raises:
        InputError: shapes or corner voxels differ.
    """

    def __init__(
        self,
        keys: KeysCollection = ("image", "label"),
        *,
        tolerance: float = GRID_TOLERANCE,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.tolerance = tolerance

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        present = list(self.key_iterator(case))
        for key in present[1:]:
            self._compare(case[present[0]], case[key])
        return case

    def _compare(self, reference: MetaTensor, other: MetaTensor) -> None:
        names = [str(x.meta.get("filename_or_obj", "volume")) for x in (reference, other)]
        shapes = [tuple(x.shape[1:]) for x in (reference, other)]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"{names[1]}: shape {plain(shapes[1])}, but {names[0]} has {plain(shapes[0])}; expected the same "
                f"grid. Check that they belong together, or resample one onto the other (a label by nearest neighbour)."
            )
        affines = [np.asarray(x.affine, dtype=float) for x in (reference, other)]
        if distance := grid_excess_mm(affines[0], affines[1], shapes[0], self.tolerance):
            raise InputError(
                f"{names[1]}: its grid lies up to {distance:.4g} mm from that of {names[0]}; expected at most "
                f"{self.tolerance * shortest_edge_mm(affines[0]):.4g} mm. Check that they belong together, or resample "
                "one onto the other."
            )
