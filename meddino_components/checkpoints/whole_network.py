"""Load weights of a whole network by its own names, for networks from other projects."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from torch import nn

from ..errors import InputError
from ..networks.segmenter import MedDinoSegmenter
from ..networks.vision_transformer import DinoVisionTransformer
from .importer import LoadReport, load_backbone_weights, load_segmenter_weights, load_tensors
from .lora import merge_adapters, read_adapter_config
from .reader import read_payload
from .source import resolve, verified_sha256
from .wrappers import without_wrappers

# keys of the weights in training checkpoints of this project, ignite, nnU-Net and Lightning
_ENTRIES = ("model", "network", "state_dict", "network_weights", "net")


def load_starting_weights(
    network: nn.Module, source: str | os.PathLike[str], *, sha256: str | None = None
) -> LoadReport:
    """Load the weights that a training starts from.

    Args:
        network: network to initialise. If it has a DINOv3 ``backbone``, only this loads the weights; else the whole
            network.
        source: path, name of a known encoder, or ``hf://owner/name[@revision][/file]``.
        sha256: SHA-256 that the file must have.

    Raises:
        InputError: see `load_backbone_weights` and `load_whole_weights`.
    """
    backbone = getattr(network, "backbone", None)
    if isinstance(backbone, DinoVisionTransformer):
        return load_backbone_weights(backbone, source, sha256=sha256)
    return load_whole_weights(network, source, sha256=sha256)


def load_network_weights(network: nn.Module, source: str | os.PathLike[str]) -> LoadReport:
    """Load a trained network: ours from every known format, any other by its own names.

    A segmenter around an encoder other than a DINOv3 counts as a network from another project.

    Raises:
        InputError: see `load_segmenter_weights` and `load_whole_weights`.
    """
    if isinstance(network, MedDinoSegmenter) and isinstance(network.backbone, DinoVisionTransformer):
        return load_segmenter_weights(network, source)
    return load_whole_weights(network, source)


def load_whole_weights(network: nn.Module, source: str | os.PathLike[str], *, sha256: str | None = None) -> LoadReport:
    """Load a whole state dict by the network's own names; every tensor is needed.

    Raises:
        InputError: the file cannot be read, or belongs to another network.
    """
    path = resolve(source)
    digest = verified_sha256(path, sha256)
    where, content = _find_tensors(read_payload(path))
    text = os.fspath(source)
    tensors, notes = merge_adapters(without_wrappers(content, source=text), read_adapter_config(path), source=text)
    expected = set(network.state_dict())
    if not expected & set(tensors):
        raise InputError(
            f"{source}: holds no tensor of {type(network).__name__}, which has no DINOv3 backbone to take an encoder's "
            f"weights: train it with `--weights random`, or give a state dict of the whole network"
        )
    load_tensors(network, tensors, source)
    format = f"{type(network).__name__}'s names" + (f" under {where!r}" if where else "")
    return LoadReport(text, format, digest, len(tensors), tuple(notes))


def _find_tensors(payload: Any) -> tuple[str, Mapping[Any, Any]]:
    """Return the key of the entry that holds tensors, and its content."""
    if not isinstance(payload, Mapping):
        return "", {}
    where = next((name for name in _ENTRIES if isinstance(payload.get(name), Mapping)), "")
    return where, payload[where] if where else payload
