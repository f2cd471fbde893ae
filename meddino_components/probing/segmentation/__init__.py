"""Segmentation on frozen encoders: cached maps, small decoders trained on them, fold by fold."""

from ...networks.map_decoders import MapDecoder
from .decoder_training import DecoderTraining
from .decoders import Decoder, LinearDecoder, PlaneDecoder, VolumeDecoder
from .evaluate import evaluate_segmentation
from .folds import Fold, SegmentationSet, segmentation_folds, segmentation_label_names

__all__ = [
    "Decoder",
    "DecoderTraining",
    "Fold",
    "LinearDecoder",
    "MapDecoder",
    "PlaneDecoder",
    "SegmentationSet",
    "VolumeDecoder",
    "evaluate_segmentation",
    "segmentation_folds",
    "segmentation_label_names",
]
