"""One importer for every weight format, one writer."""

from .importer import (
    BackboneWeights,
    LoadReport,
    load_backbone_weights,
    load_segmenter_weights,
    read_backbone_weights,
)
from .patch_embedding import adapt_patch_embedding
from .source import resolve, sha256_of
from .writer import AtomicSaver, write_weights

__all__ = [
    "AtomicSaver",
    "BackboneWeights",
    "LoadReport",
    "adapt_patch_embedding",
    "load_backbone_weights",
    "load_segmenter_weights",
    "read_backbone_weights",
    "resolve",
    "sha256_of",
    "write_weights",
]
