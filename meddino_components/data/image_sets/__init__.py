"""Labelled image sets for classification: layouts, splits by patient, pictures as numbers."""

from .image_set import ImageSet, Sample, Selection
from .pictures import load_picture
from .reading import read_image_set

__all__ = ["ImageSet", "Sample", "Selection", "load_picture", "read_image_set"]
