"""Image towers of open_clip, BiomedCLIP among them.

Shapes: B images, H rows, W columns, P patches, D width.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import InputError
from .encoders import Encoder
from .loaded_networks import LoadedNetwork, import_library, not_loaded, one_side
from .timm_networks import stride_of, timm_encode

_SCHEMAS = ("hf-hub:", "local-dir:")


def load_open_clip(name: str, *, source: str, checkpoint: str | Path | None, size_px: int | None) -> LoadedNetwork:
    """The vision tower of an image-text model, before the projection to the space shared with text.

    Linear probes of CLIP read the same vector (Radford et al., arXiv 2103.00020, appendix A). open_clip interpolates
    position embeddings when it loads, so that the tower takes one size: its own, or ``size_px``.

    Args:
        name: ``hf-hub:owner/name``, ``local-dir:/folder`` with ``open_clip_config.json`` and weights, or
            ``model/tag`` of its list; ``model`` alone with ``checkpoint``.
        source: name for messages.
        checkpoint: a file with a state dict of the whole model.
        size_px: side of the images; None for its own.

    Raises:
        InputError: open_clip is missing, there is no such model, or its tower is not a vision transformer with patch
            tokens nor one of timm's networks.
    """
    open_clip = import_library("open_clip", source=source)
    model_name, weights = _parsed(name, source, checkpoint)
    try:
        # otherwise open_clip draws random weights if it cannot load them, and only logs it
        model = open_clip.create_model(
            model_name, pretrained=weights, force_image_size=size_px, require_pretrained=True, device="cpu"
        )
        stated = open_clip.get_model_preprocess_cfg(model)
    except Exception as error:
        raise not_loaded(source, error) from error
    visual = model.visual
    patch_size, encode = _taken_apart(visual, source)
    return LoadedNetwork(
        network=visual,
        encode=encode,
        patch_size=patch_size,
        own_size_px=one_side(visual.image_size, what="the size of its images", source=source),
        mean=tuple(stated["mean"]),
        std=tuple(stated["std"]),
    )


def _taken_apart(visual: Any, source: str) -> tuple[int, Encoder]:
    """Patch size, and the tower without its projection."""
    if hasattr(visual, "trunk"):
        patch_size = stride_of(visual.trunk, source=source)
        return patch_size, timm_encode(visual.trunk, patch_size)
    if not hasattr(visual, "output_tokens") or visual.attn_pool is not None:
        raise InputError(
            f"{source}: its {type(visual).__name__} gives no patch tokens; expected a vision transformer without "
            "attention pooling, or a network of timm. Choose another model."
        )
    visual.proj, visual.output_tokens = None, True  # forward then gives the pooled vector and the patches
    return one_side(visual.patch_size, what="the size of its patches", source=source), visual


def _parsed(name: str, source: str, checkpoint: str | Path | None) -> tuple[str, str | None]:
    """Name and weights, as open_clip wants them."""
    if name.startswith(_SCHEMAS):
        if checkpoint is not None:
            raise InputError(f"{source}: brings its own weights; give no checkpoint, or name a model without weights")
        return name, None
    if checkpoint is not None:
        return name, str(checkpoint)
    model_name, slash, tag = name.rpartition("/")
    if not slash:
        raise InputError(
            f"{source}: names no weights; expected open_clip:<model>/<tag>, such as ViT-B-32/laion2b_s34b_b79k, "
            "open_clip:hf-hub:<owner>/<name>, open_clip:local-dir:<folder>, or a checkpoint"
        )
    return model_name, tag
