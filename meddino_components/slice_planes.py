"""Along which axis of the patient a volume is cut into slices.

An orientation is written as nibabel's axis codes of [H, W, D]: where rows, columns and slices run to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import nibabel as nib
import numpy as np
from nibabel import orientations
from numpy.typing import NDArray

from .errors import InputError

AXIAL = "PLS"
# as a radiologist sees them: the patient's right, or front, on the left of the page
SLICE_PLANES = {AXIAL: "axial", "ILP": "coronal", "IPL": "sagittal"}
PLANES_IN_WORDS = "PLS (axial), ILP (coronal) or IPL (sagittal)"

# with nearly cubic voxels axial slices are the better choice, since the encoders were pretrained on them
_CLEARLY_COARSER = 1.2
_PATIENT_AXES = {"R": 0, "L": 0, "A": 1, "P": 1, "I": 2, "S": 2}
_OPPOSITE = dict(zip("RLAPIS", "LRPASI", strict=True))


def patient_axis(letter: str) -> int:
    """0 of a direction to the right or left, 1 to the front or back, 2 up or down."""
    return _PATIENT_AXES[letter]


def opposite(letter: str) -> str:
    """The letter of the other direction along the same axis."""
    return _OPPOSITE[letter]


def check_axcodes(axcodes: str) -> str:
    """The orientation, if it is one of `SLICE_PLANES`.

    Raises:
        InputError: it is another.
    """
    if axcodes not in SLICE_PLANES:
        raise InputError(f"axcodes is {axcodes!r}; expected {PLANES_IN_WORDS}.")
    return axcodes


def stored_axes(affine: NDArray[np.float64], axcodes: str) -> list[int]:
    """Which stored axis becomes rows, which columns and which slices of a volume that is brought to ``axcodes``."""
    change = orientations.ornt_transform(nib.io_orientation(affine), orientations.axcodes2ornt(axcodes))
    return [int(axis) for axis in np.argsort(change[:, 0])]


def patient_spacing(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """mm from voxel to voxel along the patient's axes: right to left, front to back, down to up."""
    lengths: NDArray[np.float64] = np.linalg.norm(affine[:3, stored_axes(affine, "RAS")], axis=0)
    return lengths


def plane_of_spacing(spacing_mm: Sequence[float] | NDArray[Any]) -> str:
    """The orientation whose slices are stacked along the coarsest axis, or axial if no axis is clearly the coarsest.

    An axis is clearly the coarsest if its spacing is at least 20 % larger than that of the other two. CT with thin
    slices and coarse pixels is axial, because two of its axes are equally coarse.

    Args:
        spacing_mm: as `patient_spacing` gives it.
    """
    _, second, first = np.sort(np.asarray(spacing_mm, dtype=float))
    coarsest = int(np.argmax(spacing_mm))
    if first < _CLEARLY_COARSER * second:
        return AXIAL
    return next(axcodes for axcodes in SLICE_PLANES if patient_axis(axcodes[2]) == coarsest)
