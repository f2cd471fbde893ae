"""Segmentation on frozen encoders: cached maps, small decoders trained on them, fold by fold."""

from .decoder_training import DecoderTraining
from .evaluate import evaluate_segmentation
from .folds import Fold, SegmentationSet, segmentation_folds, segmentation_label_names

__all__ = [
    "DecoderTraining",
    "Fold",
    "SegmentationSet",
    "evaluate_segmentation",
    "segmentation_folds",
    "segmentation_label_names",
]
