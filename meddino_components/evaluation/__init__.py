"""How good a segmentation is: scores of cases, summary, report, and controls that a result has to beat."""

from .case_scores import OrganScore, score_case
from .comparison_pictures import ComparisonPictures
from .controls import control_table_text, evaluate_controls
from .evaluated_model import EvaluatedModel
from .held_out import held_out_cases
from .intensity_classifier import IntensityClassifier
from .mean_label_atlas import MeanLabelAtlas
from .metrics import PUBLISHED_METRICS, Dice, HausdorffDistance, SegmentationMetric, SurfaceDice
from .organ_dice import OrganDice
from .segmentation_report import SegmentationReport
from .summary import ScoreSummary, summarize

__all__ = [
    "PUBLISHED_METRICS",
    "ComparisonPictures",
    "Dice",
    "EvaluatedModel",
    "HausdorffDistance",
    "IntensityClassifier",
    "MeanLabelAtlas",
    "OrganDice",
    "OrganScore",
    "ScoreSummary",
    "SegmentationMetric",
    "SegmentationReport",
    "SurfaceDice",
    "control_table_text",
    "evaluate_controls",
    "held_out_cases",
    "score_case",
    "summarize",
]
