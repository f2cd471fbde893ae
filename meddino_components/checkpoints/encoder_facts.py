"""An encoder is one fact: what its file, the registry or the published models say about the network it is of."""

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

# What tensors do not show. A record or the registry says it; otherwise it is assumed, and said to be.
_UNTOLD = ("norm_layer", "pos_embed_rope_dtype", "pos_embed_rope_normalize_coords")
# a fine-tuned network without a record is of the published recipe, whose norms and rotation these are
_OF_FINE_TUNING = {"norm_layer": "layernorm", "pos_embed_rope_dtype": "bf16"}
_DECODERS = ("decoder.", "up_projection.")
_PERIODS = ("pos_embed_rope_base", "pos_embed_rope_min_period", "pos_embed_rope_max_period")
# what a record says better than the tensors
_SHOWN_ROUGHLY = ("layerscale_init", "pos_embed_rope_dtype", *_PERIODS)
# SwiGLU's alignment leaves no trace; without a bias its mask means nothing; channels are adapted
_NOT_OF_THE_SHAPE = ("ffn_layer", "ffn_ratio", "mask_k_bias", "in_chans")


@dataclass(frozen=True, kw_only=True)
class EncoderFacts:
    """The network that weights belong to.

    Attributes:
        architecture: every argument of `DinoVisionTransformer` that describes it.
        known: the registry's entry, where the weights are in it.
        assumed: names of arguments that neither the file nor the registry states.
    """

    architecture: Mapping[str, Any]
    known: KnownEncoder | None = None
    assumed: tuple[str, ...] = ()


def encoder_facts(weights: str | os.PathLike[str]) -> EncoderFacts:
    """Find out which network weights are of.

    Those that the registry knows by name or by place on the hub are not looked at, so that nothing is downloaded.

    Args:
        weights: see `resolve`.

    Raises:
        InputError: there are no such weights, they hold no backbone, or their record contradicts their tensors.
    """
    known = find_known(os.fspath(weights))
    if known is not None:
        return EncoderFacts(architecture=known.architecture, known=known)
    path = resolve(weights)
    status = path.stat()
    return _of_file(path, os.fspath(weights), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _of_file(path: Path, source: str, size: int, mtime_ns: int) -> EncoderFacts:
    """Size and time are there for the cache alone: a configuration asks several times for the same file."""
    network = find_network(read_payload(path), source=source, adapter=read_adapter_config(path))
    stated = read_stated_architecture(path)
    return facts_of_network(network, stated=stated, source=source, sha256=sha256_of(path))


def facts_of_network(
    network: FoundNetwork, *, stated: Mapping[str, Any] | None, source: str, sha256: str
) -> EncoderFacts:
    """The facts of a backbone that was found in a file.

    Args:
        network: what was found.
        stated: what the file states about itself, see `read_stated_architecture`.
        source: as the user wrote it, for messages.
        sha256: of the file.

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
    """Names under which a record has another value of which the same tensors come.

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
    """Of the tensors of a block's feed-forward network; None where there is no such network."""
    width, ratio = architecture["embed_dim"], architecture["ffn_ratio"]
    try:
        with torch.device("meta"):
            layer = make_ffn(str(architecture["ffn_layer"]), dim=width, hidden_dim=int(width * ratio))
    except (TypeError, ValueError, RuntimeError):
        return None
    return {name: tuple(tensor.shape) for name, tensor in layer.named_parameters()}


def _likely(shown: Mapping[str, Any], network: FoundNetwork) -> dict[str, Any]:
    """What no tensor shows, as it most likely is.

    Of a network with a decoder, the recipe of fine-tuning; else what known encoders of these shapes have in common;
    else that of the published models.
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
    """Refuse a record that is not of these tensors."""
    for name in sorted(shown.keys() & stated.keys()):
        if name == "layerscale_init":  # its value at the start is in no tensor
            same = (stated[name] is None) == (shown[name] is None)
        else:
            same = stated[name] == shown[name] or name in (*_SHOWN_ROUGHLY, *_NOT_OF_THE_SHAPE)
        if not same:
            raise InputError(
                f"{source}: its record says {name} {stated[name]!r}, its tensors {shown[name]!r}: the record is of "
                "other weights; write the file again"
            )
