"""Hausdorff distance at a percentile."""

from __future__ import annotations

import math
from collections.abc import Sequence

from monai.metrics import compute_hausdorff_distance
from torch import Tensor

from ...errors import InputError
from .metric import SegmentationMetric

# by BraTS, where one of two masks is empty: the diagonal of its grid of 240 x 240 x 155 mm
WORST_DISTANCE_MM = math.hypot(240, 240, 155)


class HausdorffDistance(SegmentationMetric):
    """A percentile of the distances between the surfaces, the larger of both directions, by MONAI.

    A missed structure has no finite distance: means leave it out, so read them together with the number missed.

    Args:
        percentile: percentile of the distances; 100 gives the maximum.

    Raises:
        InputError: the percentile is not above 0 and at most 100.
    """

    unit = "mm"
    higher_is_better = False
    penalty = WORST_DISTANCE_MM

    def __init__(self, *, percentile: float = 95) -> None:
        if not 0 < percentile <= 100:
            raise InputError(f"percentile of HausdorffDistance is {percentile}; expected a number above 0, up to 100")
        self.percentile = percentile
        self.name = f"hd{percentile:g}_mm"
        self.title = f"HD{percentile:g}"

    def __call__(self, prediction: Tensor, reference: Tensor, spacing_mm: Sequence[float]) -> float:
        masks = (mask[None, None] for mask in (prediction, reference))
        return float(
            compute_hausdorff_distance(
                *masks, include_background=True, percentile=self.percentile, spacing=list(spacing_mm)
            )
        )
