"""Make samples for self-distillation: crops of a store's slices, drawn, cut, distorted and collated with masks."""

from .crop_collate import CropCollate
from .distortions import CropDistortions
from .multi_crop import MultiCropDataset

__all__ = ["CropCollate", "CropDistortions", "MultiCropDataset"]
