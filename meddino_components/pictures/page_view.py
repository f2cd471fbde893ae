"""Orient the slices of a volume, and a cut across them, on a page."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from ..slice_planes import SLICE_PLANES, opposite, patient_axis


class PageView:
    """Orientation of slices [H, W, D] as they are stored, and of a cut across them as a radiologist sees it.

    Args:
        axcodes: directions in which rows, columns and slices run; in the orientations of `SLICE_PLANES`, slices, too,
            are as a radiologist sees them.

    Attributes:
        sides: letters of the patient's sides at the left and the right edge of a slice.
        cut_name: plane of the cut, which runs along a row and across the slices.
        cut_sides: letters of the patient's sides at the left and the right edge of the cut.
        slice_name: plane of the slices.
    """

    def __init__(self, axcodes: str) -> None:
        rows, columns, slices = tuple(axcodes)
        self.sides = (opposite(columns), columns)
        self.slice_name = SLICE_PLANES[_stacked_along(slices)]
        across = _stacked_along(rows)
        self.cut_name = SLICE_PLANES[across]
        self.cut_sides = (opposite(across[1]), across[1])
        self._slices_run_down = patient_axis(slices) == patient_axis(across[0])
        down, right = (slices, columns) if self._slices_run_down else (columns, slices)
        self._steps = (1 if down == across[0] else -1, 1 if right == across[1] else -1)

    def cut(self, volume: NDArray[Any], row: int, columns: slice) -> NDArray[Any]:
        """Return some columns of a row through all slices, oriented for the page."""
        plane = volume[row, columns]
        return (plane.T if self._slices_run_down else plane)[:: self._steps[0], :: self._steps[1]]

    def cut_pair(self, of_slices: float, of_columns: float) -> tuple[float, float]:
        """Return a value for slices and one for columns in the order (down, right) of the page."""
        return (of_slices, of_columns) if self._slices_run_down else (of_columns, of_slices)


def _stacked_along(letter: str) -> str:
    """Return the orientation whose slices are stacked along this axis of the patient."""
    return next(codes for codes in SLICE_PLANES if patient_axis(codes[2]) == patient_axis(letter))


def axcodes_of(affine: NDArray[np.float64]) -> str:
    """Return the directions in which the axes of a grid run, such as "LPS"."""
    return "".join(nib.aff2axcodes(affine))
