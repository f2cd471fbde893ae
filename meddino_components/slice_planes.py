"""Define along which patient axis a volume is cut into slices.

An orientation is given as nibabel's axis codes of [H, W, D]: the directions of rows, columns and slices.
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
# radiological convention: the patient's right, or front, is on the left of the page
SLICE_PLANES = {AXIAL: "axial", "ILP": "coronal", "IPL": "sagittal"}
PLANES_IN_WORDS = "PLS (axial), ILP (coronal) or IPL (sagittal)"

# with nearly cubic voxels axial slices are the better choice, since the encoders were pretrained on them
_CLEARLY_COARSER = 1.2
_PATIENT_AXES = {"R": 0, "L": 0, "A": 1, "P": 1, "I": 2, "S": 2}
_OPPOSITE = dict(zip("RLAPIS", "LRPASI", strict=True))


def patient_axis(letter: str) -> int:
    """Return 0 for right or left, 1 for front or back, 2 for up or down."""
    return _PATIENT_AXES[letter]


def opposite(letter: str) -> str:
    """Return the letter of the opposite direction along the same axis."""
    return _OPPOSITE[letter]


def check_axcodes(axcodes: str) -> str:
    """Return the orientation if it is one of `SLICE_PLANES`.

    Raises:
        InputError: the orientation is another one.
    """
    if axcodes not in SLICE_PLANES:
        raise InputError(f"axcodes is {axcodes!r}; expected {PLANES_IN_WORDS}.")
    return axcodes


def stored_axes(affine: NDArray[np.float64], axcodes: str) -> list[int]:
    """Return which stored axes become rows, columns and slices of a volume reoriented to ``axcodes``."""
    change = orientations.ornt_transform(nib.io_orientation(affine), orientations.axcodes2ornt(axcodes))
    return [int(axis) for axis in np.argsort(change[:, 0])]


def patient_spacing(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the voxel spacing in mm along the patient's axes: right to left, front to back, down to up."""
    lengths: NDArray[np.float64] = np.linalg.norm(affine[:3, stored_axes(affine, "RAS")], axis=0)
    return lengths


def plane_of_spacing(spacing_mm: Sequence[float] | NDArray[Any]) -> str:
    """Return the orientation with slices stacked along the coarsest axis, or axial if no axis is clearly the coarsest.

    An axis is clearly the coarsest if its spacing is at least 20 % larger than that of the other two. CT with thin
    slices and coarse pixels is axial, because two of its axes are equally coarse.

    Args:
        spacing_mm: spacing in mm from `patient_spacing`.
    """
    _, second, first = np.sort(np.asarray(spacing_mm, dtype=float))
    coarsest = int(np.argmax(spacing_mm))
    if first < _CLEARLY_COARSER * second:
        return AXIAL
    return next(axcodes for axcodes in SLICE_PLANES if patient_axis(axcodes[2]) == coarsest)
