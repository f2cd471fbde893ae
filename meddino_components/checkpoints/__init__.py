"""Importing weights of every known format, and writing weights and their record."""

from meddino_components.files import sha256_of

from .architecture import build_network, describe_monai_network, describe_network, encoder_part, preset_of
from .backbone_of import backbone_of
from .changed_record import check_target, write_with_record
from .encoder_facts import EncoderFacts, encoder_facts
from .importer import (
    BackboneWeights,
    LoadReport,
    load_backbone_weights,
    load_segmenter_weights,
    load_tensors,
    read_backbone_weights,
)
from .inferred_architecture import infer_architecture
from .parents import parent_of
from .patch_embedding import adapt_patch_embedding
from .reader import read_payload
from .record import WeightsRecord, hash_of_case
from .record_files import RECORD_EXTRA_FILE, RECORD_KEY, RECORD_MEMBER, read_record
from .registry import KnownEncoder, find_known, intensity_of, known_encoders, registry_table
from .source import RANDOM, check_stated_sha256, resolve, verified_sha256
from .whole_network import load_network_weights, load_starting_weights
from .writer import AtomicSaver, write_weights

__all__ = [
    "RANDOM",
    "RECORD_EXTRA_FILE",
    "RECORD_KEY",
    "RECORD_MEMBER",
    "AtomicSaver",
    "BackboneWeights",
    "EncoderFacts",
    "KnownEncoder",
    "LoadReport",
    "WeightsRecord",
    "adapt_patch_embedding",
    "backbone_of",
    "build_network",
    "check_stated_sha256",
    "check_target",
    "describe_monai_network",
    "describe_network",
    "encoder_facts",
    "encoder_part",
    "find_known",
    "hash_of_case",
    "infer_architecture",
    "intensity_of",
    "known_encoders",
    "load_backbone_weights",
    "load_network_weights",
    "load_segmenter_weights",
    "load_starting_weights",
    "load_tensors",
    "parent_of",
    "preset_of",
    "read_backbone_weights",
    "read_payload",
    "read_record",
    "registry_table",
    "resolve",
    "sha256_of",
    "verified_sha256",
    "write_weights",
    "write_with_record",
]
