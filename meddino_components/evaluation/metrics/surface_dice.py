"""Surface Dice: the share of both surfaces that lies within a tolerance of the other."""

from __future__ import annotations

from collections.abc import Sequence

from monai.metrics import compute_surface_dice
from torch import Tensor

from ...errors import InputError
from .metric import SegmentationMetric


class SurfaceDice(SegmentationMetric):
    """Share of both surfaces that lies within a tolerance of the other surface, by MONAI.

    Args:
        tolerance_mm: largest distance that counts as agreement.

    Raises:
        InputError: the tolerance is not above 0.
    """

    def __init__(self, *, tolerance_mm: float = 1.0) -> None:
        if not tolerance_mm > 0:
            raise InputError(f"tolerance_mm of SurfaceDice is {tolerance_mm}; expected a number above 0")
        self.tolerance_mm = float(tolerance_mm)
        self.name = f"surface_dice_{self.tolerance_mm:g}mm"
        self.title = f"surface Dice at {self.tolerance_mm:g} mm"

    def __call__(self, prediction: Tensor, reference: Tensor, spacing_mm: Sequence[float]) -> float:
        masks = (mask[None, None] for mask in (prediction, reference))
        return float(
            compute_surface_dice(
                *masks, class_thresholds=[self.tolerance_mm], include_background=True, spacing=list(spacing_mm)
            )
        )
