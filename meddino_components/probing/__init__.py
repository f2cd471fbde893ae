"""What frozen features are worth: probes, small decoders, their statistics and tables, sweeps."""

from .image_sets.evaluate import evaluate_classification
from .patches.evaluate import evaluate_patches
from .segmentation import DecoderTraining, evaluate_segmentation, segmentation_folds, segmentation_label_names
from .sweep.run import run_sweep

__all__ = [
    "DecoderTraining",
    "evaluate_classification",
    "evaluate_patches",
    "evaluate_segmentation",
    "run_sweep",
    "segmentation_folds",
    "segmentation_label_names",
]
