"""One importer for every weight format, one writer."""

from .architecture import infer_architecture
from .backbone_of import backbone_of
from .encoder_facts import EncoderFacts, encoder_facts
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
from .registry import KnownEncoder, find_known, intensity_of, known_encoders, registry_table
from .source import RANDOM, resolve, sha256_of, verified_sha256
from .stated_architecture import describe_architecture
from .writer import AtomicSaver, write_weights

__all__ = [
    "RANDOM",
    "AtomicSaver",
    "BackboneWeights",
    "EncoderFacts",
    "KnownEncoder",
    "LoadReport",
    "adapt_patch_embedding",
    "backbone_of",
    "describe_architecture",
    "encoder_facts",
    "find_known",
    "infer_architecture",
    "intensity_of",
    "known_encoders",
    "load_backbone_weights",
    "load_segmenter_weights",
    "load_tensors",
    "read_backbone_weights",
    "read_payload",
    "registry_table",
    "resolve",
    "sha256_of",
    "verified_sha256",
    "write_weights",
]
