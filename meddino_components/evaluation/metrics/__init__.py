"""Measures of how well a predicted mask matches the reference: one file each."""

from .absent_rule import AbsentRule
from .dice import Dice
from .hausdorff_distance import HausdorffDistance
from .intersection_over_union import IntersectionOverUnion
from .metric import SegmentationMetric, check_metrics
from .surface_dice import SurfaceDice

# what the MedDINOv3 paper reports (arXiv 2509.02379, section 4); the first one ranks cases
PUBLISHED_METRICS: tuple[SegmentationMetric, ...] = (Dice(), SurfaceDice(), HausdorffDistance())

__all__ = [
    "PUBLISHED_METRICS",
    "AbsentRule",
    "Dice",
    "HausdorffDistance",
    "IntersectionOverUnion",
    "SegmentationMetric",
    "SurfaceDice",
    "check_metrics",
]
