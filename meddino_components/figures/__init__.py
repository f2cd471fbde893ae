"""Figures of features for papers: slices of a scan at several resolutions, similarities, one slice over checkpoints."""

from .checkpoints import checkpoint_maps, draw_checkpoints
from .commands import figure_checkpoints, figure_resolutions, figure_similarity
from .resolutions import draw_resolutions, resolution_colours
from .scan import Scan, read_scan
from .scan_slice import ScanSlice
from .similarity import draw_similarity, similarity_maps
from .weights import weights_encoder

__all__ = [
    "Scan",
    "ScanSlice",
    "checkpoint_maps",
    "draw_checkpoints",
    "draw_resolutions",
    "draw_similarity",
    "figure_checkpoints",
    "figure_resolutions",
    "figure_similarity",
    "read_scan",
    "resolution_colours",
    "similarity_maps",
    "weights_encoder",
]
