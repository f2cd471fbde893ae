"""Read the regions of a DICOM RT Structure Set onto the grid of its scan.

Shapes: X, Y, Z columns, rows and slices of the scan, as stored; N points of a contour.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from monai.utils import optional_import
from numpy.typing import NDArray

from ....errors import InputError
from ....project import extra
from ..grid_checks import LPS_TO_RAS
from .drawn_regions import DrawnRegion
from .headers import FloatArray

# largest distance of a contour's points from the middle of a slice: coordinates are written with few digits
PLANE_TOLERANCE_SLICES = 0.25
# the standard spells the third type in both ways
_CLOSED = ("CLOSED_PLANAR", "CLOSED_PLANAR_XOR", "CLOSEDPLANAR_XOR")


def read_contours(path: Path, affine: FloatArray, shape: tuple[int, ...]) -> list[DrawnRegion]:
    """Return the structures of an RTSTRUCT as masks on the grid of a scan.

    A voxel belongs to a structure if its centre lies inside an odd number of the contours of its slice, so that a
    contour inside another one is a hole. Structures that consist only of points are left out.

    Args:
        path: path of the RTSTRUCT.
        affine: affine matrix [4, 4] from voxel indices of the scan to RAS mm.
        shape: size (X, Y, Z) of the scan.

    Raises:
        InputError: pydicom or scikit-image is not installed, the object cannot be read, or a contour lies between
            slices, outside of them or across them.

    Reference:
        DICOM PS3.3, C.8.8.6 ROI Contour Module.
    """
    pydicom, found = optional_import("pydicom")
    _, rasterises = optional_import("skimage.draw")
    if not (found and rasterises):
        raise InputError(f"{path}: labels in an RTSTRUCT need pydicom and scikit-image: {extra('dicom')}")
    try:
        structures = pydicom.dcmread(path)
        names = {int(roi.ROINumber): str(roi.ROIName) for roi in structures.StructureSetROISequence}
        drawn = [
            (names[int(roi.ReferencedROINumber)], [_points(contour) for contour in closed])
            for roi in structures.ROIContourSequence
            if (closed := [c for c in roi.get("ContourSequence") or [] if _is_closed(c)])
        ]
    except Exception as error:
        # pydicom's message may quote patient data
        raise InputError(
            f"{path}: cannot be read as an RTSTRUCT ({type(error).__name__}). Export the structures again"
        ) from None
    to_voxels = np.linalg.inv(affine)
    regions = []
    for name, contours in drawn:
        mask = np.zeros(shape, dtype=bool)
        for points in contours:
            voxels = points @ LPS_TO_RAS[:3, :3] @ to_voxels[:3, :3].T + to_voxels[:3, 3]
            number = _slice_of(voxels, shape[2], f"{path}: structure '{name}'")
            mask[..., number] ^= _inside(voxels[:, :2], shape[:2])
        regions.append(DrawnRegion(name=name, mask=mask))
    return regions


def _is_closed(contour: Any) -> bool:
    return str(contour.ContourGeometricType) in _CLOSED and len(contour.ContourData) >= 9


def _points(contour: Any) -> FloatArray:
    """Return the points [N, 3] in mm, LPS."""
    return np.array(contour.ContourData, dtype=np.float64).reshape(-1, 3)


def _slice_of(voxels: FloatArray, n_slices: int, where: str) -> int:
    along = voxels[:, 2]
    number = round(float(np.median(along)))
    off = float(np.abs(along - number).max())
    if not off <= PLANE_TOLERANCE_SLICES:
        raise InputError(
            f"{where} has a contour {off:.2f} slices from the middle of a slice; expected at most "
            f"{PLANE_TOLERANCE_SLICES}. It was drawn on another series, or across the slices: export it for this series"
        )
    if not 0 <= number < n_slices:
        raise InputError(f"{where} has a contour outside the scan. Check that it was drawn on this series")
    return number


def _inside(points: FloatArray, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    draw, _ = optional_import("skimage.draw")
    inside: NDArray[np.bool_] = draw.polygon2mask(shape, points)
    return inside
