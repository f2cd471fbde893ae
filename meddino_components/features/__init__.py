"""What encoders see of slices and volumes: patch features, maps, sheets, reference slices."""

from .reference_slices import ReferenceSlices
from .volume_features import write_volume_features

__all__ = [
    "ReferenceSlices",
    "write_volume_features",
]
