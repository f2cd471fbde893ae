"""Remove connected components that are too small."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from .connected import check_connectivity, components
from .step import Mask, PostprocessingStep


@dataclass(frozen=True, kw_only=True)
class SmallestSize(PostprocessingStep):
    """Remove components smaller than a volume, as MONAI's ``RemoveSmallObjects`` says.

    If all components are smaller, nothing is left.

    Args:
        volume_ml: volume of the smallest component that is kept, in ml.
        connectivity: which voxels are connected: 1 for those that share a face, 2 also those that share an edge, 3 also
            those that share a corner.

    Raises:
        InputError: ``volume_ml`` is not a number above 0, or ``connectivity`` is another number.
    """

    volume_ml: float
    connectivity: int = 3

    name = "smallest_size"

    def __post_init__(self) -> None:
        check_connectivity(type(self).__name__, self.connectivity)
        number = self.volume_ml
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not (0 < number < math.inf):
            raise InputError(f"volume_ml of {type(self).__name__} is {number!r}; expected a number above 0, in ml")

    def __call__(self, mask: Mask, voxel_ml: float) -> Mask:
        numbers, n_components = components(mask, self.connectivity)
        # rounded: 0.1 ml are 100 voxels of 0.001 ml, whatever the last digit of their quotient
        smallest = math.ceil(round(self.volume_ml / voxel_ml, 6))
        inside = numbers[mask]  # far fewer voxels than the box has
        is_large = np.bincount(inside, minlength=n_components + 1) >= smallest
        kept = mask.copy()
        kept[mask] = is_large[inside]
        return kept
