"""Connected components of a mask, by scipy.

MONAI's transforms for this need scikit-image, which is an extra here, and whose release 0.26 removes other small
objects than earlier ones; MONAI's filling of holes takes five times as long. Tests compare the steps with MONAI's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...errors import InputError
from .step import Mask

CONNECTIVITY = {1: "voxels that share a face", 2: "also those that share an edge", 3: "also those that share a corner"}


def components(mask: Mask, connectivity: int) -> tuple[NDArray[np.int32], int]:
    """Return the number of each voxel's component, from 1, 0 outside the mask; and how many components there are."""
    structure = ndimage.generate_binary_structure(mask.ndim, connectivity)
    numbers, n_components = ndimage.label(mask, structure)
    return numbers, int(n_components)


def check_connectivity(step: str, connectivity: int) -> None:
    """Refuse numbers that are not in `CONNECTIVITY`.

    Raises:
        InputError: names the step and the number.
    """
    if type(connectivity) is not int or connectivity not in CONNECTIVITY:
        expected = "; ".join(f"{number}: {meaning}" for number, meaning in CONNECTIVITY.items())
        raise InputError(f"connectivity of {step} is {connectivity!r}; expected 1, 2 or 3 ({expected})")
