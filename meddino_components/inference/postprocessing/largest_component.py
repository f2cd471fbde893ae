"""Keep the largest connected component."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .connected import check_connectivity, components
from .step import Mask, PostprocessingStep


@dataclass(frozen=True, kw_only=True)
class LargestComponent(PostprocessingStep):
    """Keep the component with the most voxels, as MONAI's ``KeepLargestConnectedComponent`` does.

    Of components of equal size, one is kept.

    Args:
        connectivity: which voxels are connected: 1 for those that share a face, 2 also those that share an edge, 3 also
            those that share a corner.

    Raises:
        InputError: ``connectivity`` is another number.
    """

    connectivity: int = 3

    name = "largest_component"

    def __post_init__(self) -> None:
        check_connectivity(type(self).__name__, self.connectivity)

    def __call__(self, mask: Mask, voxel_ml: float) -> Mask:
        numbers, n_components = components(mask, self.connectivity)
        if n_components < 2:
            return mask
        inside = numbers[mask]  # far fewer voxels than the box has
        kept = mask.copy()
        kept[mask] = inside == np.bincount(inside).argmax()
        return kept
