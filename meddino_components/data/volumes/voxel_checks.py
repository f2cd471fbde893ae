"""Check voxels in memory, with little more than their minimum and maximum."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import InputError

MAX_NON_FINITE_FRACTION = 0.01
MAX_LABEL = 255
LABEL_TOLERANCE = 1e-2


def clean_image(array: npt.NDArray[Any], path: str | Path) -> npt.NDArray[np.float32]:
    """Return float32 voxels, all finite and not all the same.

    Less than 1 % of NaN or infinite voxels are replaced by the smallest finite value, with a warning.

    Args:
        array: voxels of any real type and shape.

    Raises:
        InputError: 1 % or more of the voxels are not finite, or all have the same value.
    """
    image: npt.NDArray[np.float32] = array.astype(np.float32, copy=False)
    low, high = float(image.min()), float(image.max())  # these reveal NaN and Inf without a mask of the volume
    if not (np.isfinite(low) and np.isfinite(high)):
        finite = np.isfinite(image)
        n_bad = int(image.size - np.count_nonzero(finite))
        if n_bad >= MAX_NON_FINITE_FRACTION * image.size:
            raise InputError(
                f"{path}: {n_bad:,} of {image.size:,} voxels are NaN or infinite; expected less than "
                f"{MAX_NON_FINITE_FRACTION:.0%}. Export the image again."
            )
        low = float(image.min(where=finite, initial=np.inf))
        high = float(image.max(where=finite, initial=-np.inf))
        image = np.where(finite, image, np.float32(low))
        warnings.warn(
            f"{path}: {n_bad:,} NaN or infinite voxels were replaced by the smallest value, {low:g}.", stacklevel=2
        )
    if low == high:
        raise InputError(f"{path}: every voxel is {low:g}; expected a scan. Check that the export was complete.")
    return image


def clean_label(array: npt.NDArray[Any], path: str | Path) -> npt.NDArray[np.uint8]:
    """Return label ids as uint8; floats close to integers are rounded. An empty label map is allowed.

    Raises:
        InputError: values are not finite, further than 0.01 from an integer, below 0 or above 255.
    """
    low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"{path}: the label map has NaN or infinite values; expected integers 0..{MAX_LABEL}.")
    if low < -LABEL_TOLERANCE or high > MAX_LABEL + LABEL_TOLERANCE:
        raise InputError(
            f"{path}: label ids run from {low:g} to {high:g}; expected 0..{MAX_LABEL}. "
            "Renumber them, or check that this is a label map and not an image."
        )
    if not np.issubdtype(array.dtype, np.floating):
        return array.astype(np.uint8, copy=False)
    rounded = np.rint(array)
    off = float(np.abs(array - rounded).max())
    if off > LABEL_TOLERANCE:
        raise InputError(
            f"{path}: label values are up to {off:.3f} away from an integer, as after linear interpolation; "
            "expected integers. Create the label map again with nearest-neighbour resampling."
        )
    return rounded.astype(np.uint8)
