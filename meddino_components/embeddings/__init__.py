"""Frozen encoders, and the embeddings of whole image sets that they leave on disk."""

from .encoders import (
    Encoder,
    FrozenEncoder,
    backbone_encoder,
    for_scans,
    frozen_backbone,
    pixel_encoder,
    raw_pixels,
    weights_digest,
)
from .encoding import embed, embed_image_set
from .external_encoders import external_encoder, with_external_encoders
from .store import Embeddings, EmbeddingStore, Kind
from .weights import with_weights

__all__ = [
    "EmbeddingStore",
    "Embeddings",
    "Encoder",
    "FrozenEncoder",
    "Kind",
    "backbone_encoder",
    "embed",
    "embed_image_set",
    "external_encoder",
    "for_scans",
    "frozen_backbone",
    "pixel_encoder",
    "raw_pixels",
    "weights_digest",
    "with_external_encoders",
    "with_weights",
]
