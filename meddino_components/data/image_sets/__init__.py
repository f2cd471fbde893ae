"""Labelled image sets for classification: layouts, splits by patient, pictures as numbers."""

from .image_set import SPLITS, ImageSet, Sample, Selection, Split
from .pictures import load_picture
from .reading import read_image_set

__all__ = ["SPLITS", "ImageSet", "Sample", "Selection", "Split", "load_picture", "read_image_set"]
