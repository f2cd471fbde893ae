"""How good labels and features are: metrics, probes, controls that a result has to beat, reports and pictures."""

from .classification import evaluate_classification
from .controls import control_table_text, evaluate_controls
from .frozen_segmentation import (
    DecoderTraining,
    evaluate_segmentation,
    segmentation_folds,
    segmentation_label_names,
)
from .held_out import held_out_cases
from .intensity_classifier import IntensityClassifier
from .mean_label_atlas import MeanLabelAtlas
from .metrics import OrganScore, score_case
from .organ_dice import OrganDice
from .patch_evaluation import evaluate_patches
from .reference_slices import ReferenceSlices
from .segmentation_report import SegmentationReport
from .summary import ScoreSummary, summarize
from .sweep import run_sweep
from .volume_features import write_volume_features

__all__ = [
    "DecoderTraining",
    "IntensityClassifier",
    "MeanLabelAtlas",
    "OrganDice",
    "OrganScore",
    "ReferenceSlices",
    "ScoreSummary",
    "SegmentationReport",
    "control_table_text",
    "evaluate_classification",
    "evaluate_controls",
    "evaluate_patches",
    "evaluate_segmentation",
    "held_out_cases",
    "run_sweep",
    "score_case",
    "segmentation_folds",
    "segmentation_label_names",
    "summarize",
    "write_volume_features",
]
