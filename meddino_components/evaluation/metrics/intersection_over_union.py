"""Intersection over union, also called the Jaccard index."""

from __future__ import annotations

from collections.abc import Sequence

from monai.metrics import compute_iou
from torch import Tensor

from .metric import SegmentationMetric


class IntersectionOverUnion(SegmentationMetric):
    """Shared volume over the volume of both together, by MONAI."""

    name = "iou"
    title = "IoU"

    def __call__(self, prediction: Tensor, reference: Tensor, spacing_mm: Sequence[float]) -> float:
        # [1, 1, h, w, d]: a batch of one case with one class
        masks = (mask[None, None].float() for mask in (prediction, reference))
        return float(compute_iou(*masks, include_background=True))
