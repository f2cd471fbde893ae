"""Labelled image sets for classification: layouts, splits by patient, pictures as numbers."""

from .image_set import SPLITS, ImageSet, Sample, Selection, Split
from .pictures import load_picture
from .reading import read_image_set
from .slide_files import Slide, TileFolder, WholeSlide, slide_of
from .tiling import Origins, Tiling

__all__ = [
    "SPLITS",
    "ImageSet",
    "Origins",
    "Sample",
    "Selection",
    "Slide",
    "Split",
    "TileFolder",
    "Tiling",
    "WholeSlide",
    "load_picture",
    "read_image_set",
    "slide_of",
]
