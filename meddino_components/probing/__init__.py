"""Measure how good frozen features are: probes, small decoders, statistics, tables and sweeps."""

from .encoding import Encoding
from .image_sets.evaluate import evaluate_classification
from .image_sets.vectors import Vectors
from .patches.evaluate import evaluate_patches
from .probes.gated_attention import GatedAttention
from .probes.linear_layer import LinearLayer
from .probes.logistic_regression import LogisticRegression
from .probes.nearest_neighbours import KNearestNeighbours
from .probes.probe import LabelledFeatures, Probe, ProbeScores
from .segmentation import (
    Decoder,
    DecoderTraining,
    LinearDecoder,
    MapDecoder,
    PlaneDecoder,
    SegmentationSet,
    VolumeDecoder,
    evaluate_segmentation,
    segmentation_folds,
    segmentation_label_names,
)
from .statistics.bootstrap import Bootstrap
from .sweep.models import SweepModels
from .sweep.run import run_sweep

__all__ = [
    "Bootstrap",
    "Decoder",
    "DecoderTraining",
    "Encoding",
    "GatedAttention",
    "KNearestNeighbours",
    "LabelledFeatures",
    "LinearDecoder",
    "LinearLayer",
    "LogisticRegression",
    "MapDecoder",
    "PlaneDecoder",
    "Probe",
    "ProbeScores",
    "SegmentationSet",
    "SweepModels",
    "Vectors",
    "VolumeDecoder",
    "evaluate_classification",
    "evaluate_patches",
    "evaluate_segmentation",
    "run_sweep",
    "segmentation_folds",
    "segmentation_label_names",
]
