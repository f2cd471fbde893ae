"""One importer for every weight format, one writer."""

from meddino_components.files import sha256_of

from .architecture import backbone_of, build_network, describe_monai_network, describe_network, preset_of
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
from .record import WeightsRecord, hash_of_case
from .record_files import RECORD_EXTRA_FILE, RECORD_KEY, read_record
from .source import check_stated_sha256, resolve, verified_sha256
from .whole_network import load_network_weights, load_starting_weights
from .writer import AtomicSaver, write_weights

__all__ = [
    "RECORD_EXTRA_FILE",
    "RECORD_KEY",
    "AtomicSaver",
    "BackboneWeights",
    "LoadReport",
    "WeightsRecord",
    "adapt_patch_embedding",
    "backbone_of",
    "build_network",
    "check_stated_sha256",
    "describe_monai_network",
    "describe_network",
    "hash_of_case",
    "load_backbone_weights",
    "load_network_weights",
    "load_segmenter_weights",
    "load_starting_weights",
    "load_tensors",
    "preset_of",
    "read_backbone_weights",
    "read_payload",
    "read_record",
    "resolve",
    "sha256_of",
    "verified_sha256",
    "write_weights",
]
