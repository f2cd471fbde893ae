"""Measure how good a segmentation is: scores of cases, summary and report."""

from .case_scores import OrganScore, score_case
from .comparison_pictures import ComparisonPictures
from .evaluated_model import EvaluatedModel
from .held_out import held_out_cases
from .metrics import (
    PUBLISHED_METRICS,
    AbsentRule,
    Dice,
    HausdorffDistance,
    IntersectionOverUnion,
    SegmentationMetric,
    SurfaceDice,
)
from .organ_dice import OrganDice
from .segmentation_report import SegmentationReport
from .summary import ScoreSummary, summarize
from .unannotated import KnownDice, LeaveOutIgnoredd, MarkUnknownRegionsd

__all__ = [
    "PUBLISHED_METRICS",
    "AbsentRule",
    "ComparisonPictures",
    "Dice",
    "EvaluatedModel",
    "HausdorffDistance",
    "IntersectionOverUnion",
    "KnownDice",
    "LeaveOutIgnoredd",
    "MarkUnknownRegionsd",
    "OrganDice",
    "OrganScore",
    "ScoreSummary",
    "SegmentationMetric",
    "SegmentationReport",
    "SurfaceDice",
    "held_out_cases",
    "score_case",
    "summarize",
]
