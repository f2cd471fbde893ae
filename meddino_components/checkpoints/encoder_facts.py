"""Find out which network an encoder's weights belong to: from the file, the registry, or the published models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from meddino_components.errors import InputError
from meddino_components.files import sha256_of
from meddino_components.networks import complete_architecture
from meddino_components.networks.layers import make_ffn

from .formats import FoundNetwork, find_network
from .inferred_architecture import infer_from_dinov3_names
from .lora import read_adapter_config
from .reader import read_payload
from .registry import KnownEncoder, find_by_sha256, find_known, known_encoders
from .source import resolve
from .stated_architecture import read_stated_architecture

# Tensors do not show these. A record or the registry states them; otherwise they are assumed, and reported as assumed.
_UNTOLD = ("norm_layer", "pos_embed_rope_dtype", "pos_embed_rope_normalize_coords")
# norms and rotation of the published recipe, which a fine-tuned network without a record is assumed to follow
_OF_FINE_TUNING = {"norm_layer": "layernorm", "pos_embed_rope_dtype": "bf16"}
_DECODERS = ("decoder.", "up_projection.")
_PERIODS = ("pos_embed_rope_base", "pos_embed_rope_min_period", "pos_embed_rope_max_period")
# a record states these more precisely than the tensors
_SHOWN_ROUGHLY = ("layerscale_init", "pos_embed_rope_dtype", *_PERIODS)
# SwiGLU's alignment leaves no trace; a mask without a bias has no effect; channels are adapted
_NOT_OF_THE_SHAPE = ("ffn_layer", "ffn_ratio", "mask_k_bias", "in_chans")


@dataclass(frozen=True, kw_only=True)
class EncoderFacts:
    """The network that weights belong to.

    Attributes:
        architecture: every argument of `DinoVisionTransformer` that describes it.
        known: entry of the registry; None if the weights are not in it.
        assumed: names of arguments that neither the file nor the registry states.
    """

    architecture: Mapping[str, Any]
    known: KnownEncoder | None = None
    assumed: tuple[str, ...] = ()


def encoder_facts(weights: str | os.PathLike[str]) -> EncoderFacts:
    """Find out which network weights belong to.

    Weights that the registry lists by name or by address on the hub are not opened, so nothing is downloaded.

    Args:
        weights: path, address or name of the weights, see `resolve`.

    Raises:
        InputError: the weights do not exist, hold no backbone, or their record contradicts their tensors.
    """
    known = find_known(os.fspath(weights))
    if known is not None:
        return EncoderFacts(architecture=known.architecture, known=known)
    path = resolve(weights)
    status = path.stat()
    return _of_file(path, os.fspath(weights), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _of_file(path: Path, source: str, size: int, mtime_ns: int) -> EncoderFacts:
    """Read facts from a file; size and time are cache keys, as a configuration reads the same file repeatedly."""
    network = find_network(read_payload(path), source=source, adapter=read_adapter_config(path))
    stated = read_stated_architecture(path)
    return facts_of_network(network, stated=stated, source=source, sha256=sha256_of(path))


def facts_of_network(
    network: FoundNetwork, *, stated: Mapping[str, Any] | None, source: str, sha256: str
) -> EncoderFacts:
    """Return the facts about a backbone that was found in a file.

    Args:
        network: backbone and its naming scheme, as found in the file.
        stated: architecture that the file states in its record, see `read_stated_architecture`.
        source: path or address as the user wrote it, for messages.
        sha256: SHA-256 of the file.

    Raises:
        InputError: see `encoder_facts`.
    """
    try:
        shown = infer_from_dinov3_names(network.tensors, key_bias=network.key_bias)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    guessed = ("num_heads",) if "rope_embed.periods" not in network.tensors else ()
    heads = {name: shown.pop(name) for name in guessed}
    known = find_known(source) or find_by_sha256(sha256)
    told = dict(shown)
    if stated is not None:
        _check_record(stated, shown, source)
        better = {*_SHOWN_ROUGHLY, *_shown_in_other_words(stated, shown)}
        told |= {name: value for name, value in stated.items() if name not in shown or name in better}
    elif known is not None:
        told |= {name: known.architecture[name] for name in ("num_heads", *_UNTOLD, *_PERIODS)}
    assumed = heads | _likely(shown, network)
    left = {name: value for name, value in assumed.items() if name not in told}
    return EncoderFacts(architecture=complete_architecture(None, **told, **left), known=known, assumed=tuple(left))


def _shown_in_other_words(stated: Mapping[str, Any], shown: Mapping[str, Any]) -> set[str]:
    """Return names whose value in the record differs from the inferred one but leads to the same tensors.

    A network that is built from its file is then described as it was when the file was written.
    """
    names = set()
    if not shown["qkv_bias"]:
        names.add("mask_k_bias")
    feed_forward = ("ffn_layer", "ffn_ratio")
    if all(name in stated for name in feed_forward):
        ours, theirs = (
            _feed_forward_shapes({**shown, **facts}) for facts in ({}, {k: stated[k] for k in feed_forward})
        )
        if ours == theirs:
            names.update(feed_forward)
    return names


def _feed_forward_shapes(architecture: Mapping[str, Any]) -> dict[str, tuple[int, ...]] | None:
    """Return the shapes of the tensors in a block's feed-forward network; None if there is no such network."""
    width, ratio = architecture["embed_dim"], architecture["ffn_ratio"]
    try:
        with torch.device("meta"):
            layer = make_ffn(str(architecture["ffn_layer"]), dim=width, hidden_dim=int(width * ratio))
    except (TypeError, ValueError, RuntimeError):
        return None
    return {name: tuple(tensor.shape) for name, tensor in layer.named_parameters()}


def _likely(shown: Mapping[str, Any], network: FoundNetwork) -> dict[str, Any]:
    """Return the most likely values of what no tensor shows.

    For a network with a decoder these are the values of the fine-tuning recipe; else those that known encoders of these
    shapes have in common; else those of the published models.
    """
    published = complete_architecture(None)
    likely = {name: published[name] for name in _UNTOLD}
    if any(key.startswith(_DECODERS) for key in network.siblings):
        return likely | _OF_FINE_TUNING
    shapes = {name: value for name, value in shown.items() if name not in (*_UNTOLD, *_NOT_OF_THE_SHAPE)}
    alike = [entry.architecture for entry in known_encoders().values() if shapes.items() <= entry.architecture.items()]
    common = {name: {architecture[name] for architecture in alike} for name in _UNTOLD}
    return likely | {name: values.pop() for name, values in common.items() if len(values) == 1}


def _check_record(stated: Mapping[str, Any], shown: Mapping[str, Any], source: str) -> None:
    """Refuse a record that does not belong to these tensors."""
    for name in sorted(shown.keys() & stated.keys()):
        if name == "layerscale_init":  # no tensor shows its initial value
            same = (stated[name] is None) == (shown[name] is None)
        else:
            same = stated[name] == shown[name] or name in (*_SHOWN_ROUGHLY, *_NOT_OF_THE_SHAPE)
        if not same:
            raise InputError(
                f"{source}: its record says {name} {stated[name]!r}, its tensors {shown[name]!r}: the record belongs "
                f"to other weights; write the file again"
            )
