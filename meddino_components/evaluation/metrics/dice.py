"""Dice similarity coefficient."""

from __future__ import annotations

from collections.abc import Sequence

from monai.metrics import compute_dice
from torch import Tensor

from .metric import SegmentationMetric


class Dice(SegmentationMetric):
    """Twice the shared volume over the sum of both volumes, by MONAI."""

    name = "dice"
    title = "Dice"

    def __call__(self, prediction: Tensor, reference: Tensor, spacing_mm: Sequence[float]) -> float:
        # [1, 1, h, w, d]: a batch of one case with one class
        masks = (mask[None, None].float() for mask in (prediction, reference))
        return float(compute_dice(*masks, include_background=True))
