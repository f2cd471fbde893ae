"""The published sizes of the DINOv3 backbone, by name."""

from __future__ import annotations

from typing import Any

from .architecture import ARCHITECTURE_ARGUMENTS, ARCHITECTURE_DEFAULTS
from .vision_transformer import DinoVisionTransformer

# arguments that all published models share: DINOv3, arXiv 2508.10104, table 2, and the public configurations
_COMMON: dict[str, Any] = {
    "layerscale_init": 1e-5,
    "norm_layer": "layernormbf16",
    "n_storage_tokens": 4,
    "mask_k_bias": True,
    "pos_embed_rope_rescale_coords": 2.0,
}

PRESETS: dict[str, dict[str, Any]] = {
    # sizes of this project for tests, demos and machines without a GPU; not published models
    "vit_tiny": {"embed_dim": 192, "depth": 12, "num_heads": 3},
    # learns as much per step as vit_tiny in two thirds of the time
    "vit_mini": {"embed_dim": 192, "depth": 8, "num_heads": 3},
    "vit_small": {"embed_dim": 384, "depth": 12, "num_heads": 6},
    "vit_small_plus": {"embed_dim": 384, "depth": 12, "num_heads": 6, "ffn_ratio": 6, "ffn_layer": "swiglu"},
    "vit_base": {"embed_dim": 768, "depth": 12, "num_heads": 12},
    "vit_large": {"embed_dim": 1024, "depth": 24, "num_heads": 16},
    "vit_large_plus": {"embed_dim": 1024, "depth": 24, "num_heads": 16, "ffn_ratio": 6, "ffn_layer": "swiglu"},
    "vit_huge_plus": {"embed_dim": 1280, "depth": 32, "num_heads": 20, "ffn_ratio": 6, "ffn_layer": "swiglu"},
    "vit_7b": {
        "embed_dim": 4096,
        "depth": 40,
        "num_heads": 32,
        "ffn_ratio": 3,
        "ffn_layer": "swiglu64",
        "qkv_bias": False,
        "untie_global_and_local_cls_norm": True,
    },
}


def vit_backbone(name: str, **overrides: Any) -> DinoVisionTransformer:
    """Build a backbone of a published size with random weights.

    Args:
        name: key of `PRESETS`.
        overrides: arguments of `DinoVisionTransformer` to change.

    Raises:
        ValueError: the name is unknown.
        TypeError: `DinoVisionTransformer` does not accept an override.
    """
    if name not in PRESETS:
        raise ValueError(f"unknown backbone {name!r}; known: {', '.join(PRESETS)}")
    return DinoVisionTransformer(**{**_COMMON, **PRESETS[name], **overrides})


def complete_architecture(preset: str | None, **arguments: Any) -> dict[str, Any]:
    """Return all arguments that describe an encoder: those of a preset or common to the published models, with changes.

    Raises:
        KeyError: the preset does not exist.
        TypeError: an argument does not describe an encoder.
    """
    if unknown := sorted(set(arguments) - set(ARCHITECTURE_ARGUMENTS)):
        raise TypeError(f"not an argument that describes an encoder: {', '.join(unknown)}")
    stated = {**_COMMON, **(PRESETS[preset] if preset else {}), **arguments}
    return {name: stated.get(name, ARCHITECTURE_DEFAULTS[name]) for name in ARCHITECTURE_ARGUMENTS}
