"""Metrics of segmentations, the report on them, and the controls that a result has to beat."""

from .controls import control_table_text, evaluate_controls
from .intensity_classifier import IntensityClassifier
from .mean_label_atlas import MeanLabelAtlas
from .metrics import OrganScore, score_case
from .organ_dice import OrganDice
from .segmentation_report import SegmentationReport
from .summary import ScoreSummary, summarize

__all__ = [
    "IntensityClassifier",
    "MeanLabelAtlas",
    "OrganDice",
    "OrganScore",
    "ScoreSummary",
    "SegmentationReport",
    "control_table_text",
    "evaluate_controls",
    "score_case",
    "summarize",
]
