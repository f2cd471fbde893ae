"""How good a segmentation is: scores of cases, summary, report, and controls that a result has to beat."""

from .case_scores import OrganScore, score_case
from .controls import control_table_text, evaluate_controls
from .held_out import held_out_cases
from .intensity_classifier import IntensityClassifier
from .mean_label_atlas import MeanLabelAtlas
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
    "held_out_cases",
    "score_case",
    "summarize",
]
