"""One importer for every weight format, one writer."""

from meddino_components.files import sha256_of

from .importer import (
    BackboneWeights,
    LoadReport,
    load_backbone_weights,
    load_segmenter_weights,
    load_tensors,
    read_backbone_weights,
)
from .patch_embedding import adapt_patch_embedding
from .reader import read_payload
from .source import check_stated_sha256, resolve, verified_sha256
from .whole_network import load_network_weights, load_starting_weights
from .writer import AtomicSaver, write_weights

__all__ = [
    "AtomicSaver",
    "BackboneWeights",
    "LoadReport",
    "adapt_patch_embedding",
    "check_stated_sha256",
    "load_backbone_weights",
    "load_network_weights",
    "load_segmenter_weights",
    "load_starting_weights",
    "load_tensors",
    "read_backbone_weights",
    "read_payload",
    "resolve",
    "sha256_of",
    "verified_sha256",
    "write_weights",
]
