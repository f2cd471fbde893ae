"""The published sizes of the DINOv3 backbone, by name."""

from __future__ import annotations

from typing import Any

from .architecture import ARCHITECTURE_ARGUMENTS, ARCHITECTURE_DEFAULTS
from .vision_transformer import DinoVisionTransformer

# what all published models share: DINOv3, arXiv 2508.10104, table 2, and the public configurations
_COMMON: dict[str, Any] = {
    "layerscale_init": 1e-5,
    "norm_layer": "layernormbf16",
    "n_storage_tokens": 4,
    "mask_k_bias": True,
    "pos_embed_rope_rescale_coords": 2.0,
}

PRESETS: dict[str, dict[str, Any]] = {
    # ours, for tests, demonstrations and machines without a GPU; not published models
    "vit_tiny": {"embed_dim": 192, "depth": 12, "num_heads": 3},
    # learns as much in a step as the one before, for two thirds of its time
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
        name: a key of `PRESETS`.
        overrides: any argument of `DinoVisionTransformer`.

    Raises:
        ValueError: unknown name.
        TypeError: an override that `DinoVisionTransformer` does not take.
    """
    if name not in PRESETS:
        raise ValueError(f"unknown backbone {name!r}; known: {', '.join(PRESETS)}")
    return DinoVisionTransformer(**{**_COMMON, **PRESETS[name], **overrides})


def complete_architecture(preset: str | None, **arguments: Any) -> dict[str, Any]:
    """Every argument that describes an encoder: of a preset, or of the published models in common, with ``arguments``.

    Raises:
        KeyError: there is no such preset.
        TypeError: an argument that does not describe an encoder.
    """
    if unknown := sorted(set(arguments) - set(ARCHITECTURE_ARGUMENTS)):
        raise TypeError(f"no argument that describes an encoder: {', '.join(unknown)}")
    stated = {**_COMMON, **(PRESETS[preset] if preset else {}), **arguments}
    return {name: stated.get(name, ARCHITECTURE_DEFAULTS[name]) for name in ARCHITECTURE_ARGUMENTS}
