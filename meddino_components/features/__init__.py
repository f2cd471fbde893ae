"""Compute features of slices and volumes: patches, their maps and sheets, labelled slices."""

from .feature_pictures import FeaturePictures
from .labelled_slices import LabelledSlices
from .reference_slices import ReferenceSlices
from .volume_features import write_volume_features

__all__ = [
    "FeaturePictures",
    "LabelledSlices",
    "ReferenceSlices",
    "write_volume_features",
]
