"""Fill holes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .connected import check_connectivity, components
from .step import Mask, PostprocessingStep


@dataclass(frozen=True, kw_only=True)
class FillHoles(PostprocessingStep):
    """Fill what the organ encloses, in three dimensions, as MONAI's ``FillHoles`` does for one label.

    A hole at the end of the scan counts as open. A label map keeps the labels of other organs that lie in a hole.

    Args:
        connectivity: which voxels outside the organ are connected: with 1 a hole is closed if no voxel of it shares a
            face with the outside, with 2 also no edge, with 3 also no corner.

    Raises:
        InputError: ``connectivity`` is another number.
    """

    connectivity: int = 1

    name = "fill_holes"

    def __post_init__(self) -> None:
        check_connectivity(type(self).__name__, self.connectivity)

    def __call__(self, mask: Mask, voxel_ml: float) -> Mask:
        numbers, n_components = components(~mask, self.connectivity)
        is_hole = np.ones(n_components + 1, dtype=bool)
        is_hole[0] = False
        for axis in range(mask.ndim):
            for end in (0, -1):
                is_hole[np.unique(numbers[(slice(None),) * axis + (end,)])] = False
        return mask | is_hole[numbers] if is_hole.any() else mask
