"""How the slices of a volume, and a cut across them, lie on a page."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from ..slice_planes import SLICE_PLANES, opposite, patient_axis


class PageView:
    """Slices of a volume [H, W, D] are drawn as they lie; what runs across them, as a radiologist would see it.

    Args:
        axcodes: where rows, columns and slices run to; of the orientations that volumes are brought to, slices lie as
            a radiologist sees them, too.

    Attributes:
        sides: letters of the patient's sides at the left and the right edge of a slice.
        cut_name: the plane of the cut along a row and across the slices.
        cut_sides: as ``sides``, of the cut.
        slice_name: the plane of the slices.
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
        """Some columns of a row through all slices [W, D], as they lie on the page."""
        plane = volume[row, columns]
        return (plane.T if self._slices_run_down else plane)[:: self._steps[0], :: self._steps[1]]

    def cut_pair(self, of_slices: float, of_columns: float) -> tuple[float, float]:
        """(down, right) on the page, of a number that goes with slices and one that goes with columns."""
        return (of_slices, of_columns) if self._slices_run_down else (of_columns, of_slices)


def _stacked_along(letter: str) -> str:
    """Which of the orientations has slices that follow each other along this axis of the patient."""
    return next(codes for codes in SLICE_PLANES if patient_axis(codes[2]) == patient_axis(letter))


def axcodes_of(affine: NDArray[np.float64]) -> str:
    """Where the axes of a grid run to."""
    return "".join(nib.aff2axcodes(affine))
