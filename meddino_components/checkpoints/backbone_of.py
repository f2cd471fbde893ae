"""The backbone that weights are for."""

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
    """Build the network that weights belong to, and leave loading them to others.

    Args:
        weights: a path, ``hf://owner/name[@revision][/file]``, the short name of a known encoder, or "random". Of what
            the registry knows nothing is downloaded or read here.
        name: a preset such as ``vit_base``, or a known encoder whose architecture is meant. Needed for random weights
            (``vit_base`` if left out); with others it has to agree with them.
        random_start: architecture of a network that starts from random weights, where it differs from ``name``'s. Of
            networks with weights it says the LayerScale alone that a random control of the same architecture gets.
        may_be_missing: build as for random weights where ``weights`` is None or no file yet, such as that of a bundle
            before its training.
        in_chans: input channels; those of the weights if left out, whose patch embedding is adapted otherwise.
        patch_size: another one than that of the weights, whose patch embedding is then to be resampled
            (`load_backbone_weights`).
        norm_layer: another one than that of the weights, where the recipe of a training names it.
        pos_embed_rope_dtype: the same.
        pos_embed_rope_shift_coords: augmentation in training, see `RopePositionEmbedding`.
        pos_embed_rope_jitter_coords: the same.
        pos_embed_rope_rescale_coords: the same.
        drop_path_rate: stochastic depth in training.
        drop_path_rounding: see `DinoVisionTransformer`.
        activation_checkpointing: see `DinoVisionTransformer`.

    Raises:
        InputError: there are no such weights, ``name`` is none or is not theirs, or settings do not fit together.
    """
    start = dict(random_start or {})
    named = _named(name or _DEFAULT, start)  # a mistyped name is said before a file is read
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
        raise InputError(f"no backbone of these settings: {error}") from error


def _named(name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture of a preset or a known encoder, with changes."""
    if unknown := sorted(set(changes) - set(ARCHITECTURE_ARGUMENTS)):
        raise InputError(f"no backbone of these settings: random_start has no {', '.join(unknown)}")
    if name in PRESETS:
        return complete_architecture(name, **changes)
    if name in known_encoders():
        return {**known_encoders()[name].architecture, **changes}
    known = ", ".join([*PRESETS, *known_encoders()])
    raise InputError(f"no backbone of these settings: unknown backbone {name!r}; known: {known}")


def _check_name(name: str, wanted: Mapping[str, Any], architecture: Mapping[str, Any], weights: str) -> None:
    """Refuse a name that is of another network than the weights."""
    stated = [*PRESETS.get(name, wanted), *_SIZES]
    if all(_feature(wanted, key) == _feature(architecture, key) for key in stated):
        return
    raise InputError(
        f"{weights} is {_size(architecture)}, but backbone is {name} ({_size(wanted)}): set backbone to None (the "
        f"weights say it), or give weights of {name}"
    )


def _feature(architecture: Mapping[str, Any], key: str) -> Any:
    """A value that can be compared: alignment of SwiGLU's width aside."""
    value = architecture[key]
    return str(value).rstrip("0123456789") if key == "ffn_layer" else value


def _size(architecture: Mapping[str, Any]) -> str:
    kind = _feature(architecture, "ffn_layer")
    text = (
        f"{architecture['embed_dim']} wide, {architecture['depth']} blocks, {architecture['num_heads']} heads, {kind}"
    )
    return text if architecture["patch_size"] == 16 else f"{text}, patch {architecture['patch_size']}"
