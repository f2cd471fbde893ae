"""Read the regions of a DICOM Segmentation object onto the grid of its scan by highdicom.

Shapes: X, Y, Z columns, rows and slices of the scan, as stored.
"""

from __future__ import annotations

import warnings
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

# largest distance between the grids of object and scan, in voxels: the headers of both are rounded
GRID_TOLERANCE_VOXELS = 0.05


def read_segments(path: Path, affine: FloatArray, shape: tuple[int, ...]) -> list[DrawnRegion]:
    """Return the segments of a DICOM SEG as masks on the grid of a scan.

    The object may omit empty slices, and may store the axes in another order or direction; nothing is resampled.

    Args:
        path: path of the DICOM SEG.
        affine: affine matrix [4, 4] from voxel indices of the scan to RAS mm.
        shape: size (X, Y, Z) of the scan.

    Raises:
        InputError: highdicom is not installed, or the object cannot be read, contains fractions, or has voxels off the
            scan's grid or outside it.
    """
    hd, found = optional_import("highdicom")
    if not found:
        raise InputError(f"{path}: labels in a DICOM SEG need the package highdicom: {extra('dicom')}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote values of tags
        try:
            segmentation = hd.seg.segread(path)
            numbers = list(segmentation.segment_numbers)
            names = [str(segmentation.get_segment_description(number).segment_label) for number in numbers]
        except Exception as error:
            raise _unreadable(path, error) from None
        if segmentation.segmentation_type == hd.seg.SegmentationTypeValues.FRACTIONAL:
            raise InputError(
                f"{path}: the segments are fractional, which leaves the border of an organ open; expected a binary "
                "DICOM SEG or a label map. Export it with a threshold"
            )
        masks = [_mask(path, segmentation, number, affine, shape) for number in numbers]
    return [DrawnRegion(name=name, mask=mask) for name, mask in zip(names, masks, strict=True)]


def _mask(path: Path, segmentation: Any, number: int, affine: FloatArray, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    try:
        volume = segmentation.get_volume(segment_numbers=[number], combine_segments=True, dtype=np.uint8)
    except Exception as error:
        raise _unreadable(path, error) from None
    to_voxels = np.linalg.inv(affine) @ LPS_TO_RAS @ volume.affine
    steps, start = np.rint(to_voxels[:3, :3]).astype(int), to_voxels[:3, 3]
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in volume.spatial_shape])).reshape(3, -1)
    moved = to_voxels[:3, :3] @ corners
    off = max(np.abs(moved - steps @ corners).max(), np.abs(start - np.rint(start)).max())
    if off > GRID_TOLERANCE_VOXELS or not np.array_equal(np.abs(steps).sum(axis=0), [1, 1, 1]):
        raise InputError(
            f"{path}: the segments are up to {off:.2f} voxels off the grid of the scan; expected at most "
            f"{GRID_TOLERANCE_VOXELS}. Check that they were drawn on this series"
        )
    drawn = np.argwhere(volume.array > 0) @ steps.T + np.rint(start).astype(int)
    if ((drawn < 0) | (drawn >= shape)).any():
        raise InputError(f"{path}: a segment extends beyond the scan. Check that it was drawn on this series")
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(drawn.T)] = True
    return mask


def _unreadable(path: Path, error: Exception) -> InputError:
    # messages of the libraries may quote patient data
    return InputError(
        f"{path}: cannot be read as a DICOM SEG ({type(error).__name__}). The file is damaged, or its slices do not "
        "form a regular stack: export it again"
    )
