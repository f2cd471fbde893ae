"""Build the backbone that a file of weights belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meddino_components.errors import InputError
from meddino_components.networks import ARCHITECTURE_ARGUMENTS, PRESETS, DinoVisionTransformer, complete_architecture

from .encoder_facts import encoder_facts
from .registry import known_encoders
from .source import RANDOM

_DEFAULT = "vit_base"
_SIZES = ("embed_dim", "depth", "patch_size")


def backbone_of(
    *,
    weights: str | Path | None,
    name: str | None = None,
    random_start: Mapping[str, Any] | None = None,
    may_be_missing: bool = False,
    in_chans: int | None = None,
    patch_size: int | None = None,
    norm_layer: str | None = None,
    pos_embed_rope_dtype: str | None = None,
    pos_embed_rope_shift_coords: float | None = None,
    pos_embed_rope_jitter_coords: float | None = None,
    pos_embed_rope_rescale_coords: float | None = None,
    drop_path_rate: float = 0.0,
    drop_path_rounding: str = "random",
    activation_checkpointing: bool = False,
) -> DinoVisionTransformer:
    """Build the network that weights belong to, without loading them.

    Args:
        weights: a path, ``hf://owner/name[@revision][/file]``, the short name of a known encoder, or "random". Weights
            that the registry lists are neither downloaded nor read here.
        name: preset such as ``vit_base``, or a known encoder that has the architecture. Used for random weights
            (``vit_base`` if omitted); other weights must match it.
        random_start: arguments of a network with random weights that differ from those of ``name``. For a network with
            weights, only its LayerScale counts: a random control of the same architecture starts with it.
        may_be_missing: whether to build as for random weights if ``weights`` is None or the file does not exist yet, as
            in a bundle before training.
        in_chans: number of input channels; that of the weights if omitted, else their patch embedding is adapted.
        patch_size: patch size in pixels if it differs from that of the weights; their patch embedding must then be
            resampled (`load_backbone_weights`).
        norm_layer: kind of norm, if a training recipe requires another one than the weights have.
        pos_embed_rope_dtype: precision of the rotary periods, if a training recipe requires another one.
        pos_embed_rope_shift_coords: shift of coordinates in training, see `RopePositionEmbedding`.
        pos_embed_rope_jitter_coords: jitter of coordinates in training, see `RopePositionEmbedding`.
        pos_embed_rope_rescale_coords: rescaling of coordinates in training, see `RopePositionEmbedding`.
        drop_path_rate: rate of stochastic depth in training.
        drop_path_rounding: rule for the number of samples that keep a branch, see `DinoVisionTransformer`.
        activation_checkpointing: whether to recompute activations, see `DinoVisionTransformer`.

    Raises:
        InputError: the weights do not exist, ``name`` is unknown or does not match them, or settings contradict each
            other.
    """
    start = dict(random_start or {})
    named = _named(name or _DEFAULT, start)  # report a mistyped name before reading a file
    missing = weights is None or (may_be_missing and not Path(weights).expanduser().exists())
    if missing and not may_be_missing:
        raise InputError("no weights given: give a path, hf://owner/name, a known encoder, or random")
    if missing or str(weights) == RANDOM:
        architecture = named
    else:
        architecture = dict(encoder_facts(str(weights)).architecture)
        if name is not None:
            _check_name(name, named, architecture, str(weights))
        if architecture["layerscale_init"] is not None:
            architecture["layerscale_init"] = start.get("layerscale_init") or architecture["layerscale_init"]
    chosen = {
        "in_chans": in_chans,
        "patch_size": patch_size,
        "norm_layer": norm_layer,
        "pos_embed_rope_dtype": pos_embed_rope_dtype,
    }
    try:
        return DinoVisionTransformer(
            **{**architecture, **{key: value for key, value in chosen.items() if value is not None}},
            pos_embed_rope_shift_coords=pos_embed_rope_shift_coords,
            pos_embed_rope_jitter_coords=pos_embed_rope_jitter_coords,
            pos_embed_rope_rescale_coords=pos_embed_rope_rescale_coords,
            drop_path_rate=drop_path_rate,
            drop_path_rounding=drop_path_rounding,
            activation_checkpointing=activation_checkpointing,
        )
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"cannot build a backbone with these settings: {error}") from error


def _named(name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the architecture of a preset or a known encoder, with changes."""
    if unknown := sorted(set(changes) - set(ARCHITECTURE_ARGUMENTS)):
        raise InputError(f"cannot build the backbone: random_start does not accept {', '.join(unknown)}")
    if name in PRESETS:
        return complete_architecture(name, **changes)
    if name in known_encoders():
        return {**known_encoders()[name].architecture, **changes}
    known = ", ".join([*PRESETS, *known_encoders()])
    raise InputError(f"unknown backbone {name!r}; known: {known}")


def _check_name(name: str, wanted: Mapping[str, Any], architecture: Mapping[str, Any], weights: str) -> None:
    """Refuse a name that stands for another network than the weights."""
    stated = [*PRESETS.get(name, wanted), *_SIZES]
    if all(_feature(wanted, key) == _feature(architecture, key) for key in stated):
        return
    raise InputError(
        f"{weights} is {_size(architecture)}, but backbone is {name} ({_size(wanted)}): set backbone to None (to "
        f"build what the weights need), or give weights of {name}"
    )


def _feature(architecture: Mapping[str, Any], key: str) -> Any:
    """Return a value that can be compared, ignoring how SwiGLU aligns its width."""
    value = architecture[key]
    return str(value).rstrip("0123456789") if key == "ffn_layer" else value


def _size(architecture: Mapping[str, Any]) -> str:
    kind = _feature(architecture, "ffn_layer")
    text = (
        f"{architecture['embed_dim']} wide, {architecture['depth']} blocks, {architecture['num_heads']} heads, {kind}"
    )
    return text if architecture["patch_size"] == 16 else f"{text}, patch {architecture['patch_size']}"
