"""A network as plain data, and built again from it.

What belongs to a run is left out: DropPath, the augmentation of the rotation, dropout, recomputing of activations. A
description may come from outside: only the classes listed here are built, by their arguments alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from torch import nn

from meddino_components.errors import InputError
from meddino_components.networks import PRESETS, RUN_ARGUMENTS, DinoVisionTransformer, MedDinoSegmenter

_SEGMENTER = "meddino_components.networks.MedDinoSegmenter"
_BACKBONE = "meddino_components.networks.DinoVisionTransformer"
_MONAI = "monai.networks.nets."
# of MONAI's, those that build from their arguments alone and fetch nothing
_MONAI_CLASSES = (
    "AttentionUnet",
    "BasicUNet",
    "BasicUNetPlusPlus",
    "DynUNet",
    "SegResNet",
    "SegResNetDS",
    "SwinUNETR",
    "UNETR",
    "UNet",
    "VNet",
)
# a number that is larger would ask for memory that no network of these kinds has
_LARGEST_NUMBER = 1 << 17
_SIZE_KEYS = ("embed_dim", "depth", "num_heads", "ffn_ratio", "ffn_layer")


def describe_network(network: nn.Module) -> dict[str, Any]:
    """``_target_`` and arguments of one of our networks, without what belongs to a run.

    Raises:
        TypeError: a network of others, which does not say how it was built.
    """
    if isinstance(network, DinoVisionTransformer):
        kept = {name: value for name, value in network.arguments.items() if name not in RUN_ARGUMENTS}
        # the name of the norm decides it; stated, so that no reader has to know how
        return {"_target_": _BACKBONE, **kept, "norm_eps": network.norm.eps}
    if isinstance(network, MedDinoSegmenter):
        return {
            "_target_": _SEGMENTER,
            "backbone": describe_network(network.backbone),
            "num_classes": network.decoder.head.weight.shape[0],
            "in_channels": network.stem.in_channels,
            "interaction_indices": list(network.aggregator.interaction_indices),
        }
    raise TypeError(f"{type(network).__name__} does not say how it was built")


def describe_monai_network(definition: Mapping[str, Any]) -> dict[str, Any] | None:
    """The description of one of MONAI's networks from its definition in a configuration.

    Args:
        definition: ``_target_``, short or with its module, and resolved arguments.

    Returns:
        None for networks of others, and for arguments that are no plain data.
    """
    package, _, name = str(definition.get("_target_")).rpartition(".")
    if name not in _MONAI_CLASSES or (package and not f"{package}.".startswith(_MONAI)):
        return None
    arguments = {key: value for key, value in definition.items() if not key.startswith("_")}
    try:
        return {"_target_": f"{_MONAI}{name}", **json.loads(json.dumps(arguments))}
    except (TypeError, ValueError):
        return None


def build_network(architecture: Mapping[str, Any], *, source: str, **run: Any) -> nn.Module:
    """Build a described network with random weights.

    Args:
        architecture: what `describe_network` or `describe_monai_network` made.
        source: the file it stands in, for the message.
        run: arguments that belong to the run: DropPath, recomputing, the rotation's augmentation; of a segmenter
            ``dropout``, too.

    Raises:
        InputError: a class that is not among those known here, or arguments that it does not take.
    """
    target = str(architecture.get("_target_"))
    arguments = {key: value for key, value in architecture.items() if key != "_target_"}
    try:
        _check_numbers(arguments)
        if target == _SEGMENTER:
            dropout = {"dropout": run.pop("dropout")} if "dropout" in run else {}
            backbone = dict(arguments.pop("backbone"))
            if backbone.pop("_target_") != _BACKBONE:
                raise ValueError("its backbone is of another class")
            return MedDinoSegmenter(backbone=_build_backbone(backbone, run), **arguments, **dropout)
        if target == _BACKBONE:
            return _build_backbone(arguments, run)
        name = target.removeprefix(_MONAI)
        if target.startswith(_MONAI) and name in _MONAI_CLASSES:
            import monai.networks.nets as monai_networks  # takes a second

            network: nn.Module = getattr(monai_networks, name)(**arguments)
            return network
    except InputError:
        raise
    # whatever a class raises for arguments of another kind or range
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{source}: no {target.rpartition('.')[2]} can be built as its record says ({reason}); install the version "
            "of meddino that wrote the file, or copy it again"
        ) from error
    known = ", ".join(["MedDinoSegmenter", "DinoVisionTransformer", *_MONAI_CLASSES])
    raise InputError(f"{source}: its record names the network {target!r:.80}; built are {known}: give network_def")


def encoder_part(architecture: Mapping[str, Any]) -> Mapping[str, Any]:
    """The encoder's part of a description: of a segmenter its backbone, of a backbone itself; else nothing."""
    if architecture.get("_target_") == _BACKBONE:
        return architecture
    inner = architecture.get("backbone")
    return inner if isinstance(inner, Mapping) else {}


def preset_of(architecture: Mapping[str, Any]) -> str:
    """The name of a backbone's size in `PRESETS`; of others the size in words."""
    backbone = encoder_part(architecture)
    if not backbone:
        return str(architecture.get("_target_"))
    size = {key: backbone.get(key) for key in _SIZE_KEYS}
    for name, arguments in PRESETS.items():
        if size == {"ffn_ratio": 4.0, "ffn_layer": "mlp"} | {k: v for k, v in arguments.items() if k in _SIZE_KEYS}:
            return name
    return f"{size['embed_dim']} wide, {size['depth']} blocks"


def _build_backbone(arguments: dict[str, Any], run: Mapping[str, Any]) -> DinoVisionTransformer:
    eps = arguments.pop("norm_eps", None)
    if strange := sorted(set(arguments) & set(RUN_ARGUMENTS)):
        raise ValueError(f"{strange[0]} belongs to a run")
    network = DinoVisionTransformer(**arguments, **run)
    if eps is not None and network.norm.eps != eps:
        raise ValueError(f"the norm's eps is {eps}, here {network.norm.eps}")
    return network


def _check_numbers(value: Any) -> None:
    if isinstance(value, Mapping):
        for item in value.values():
            _check_numbers(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check_numbers(item)
    elif isinstance(value, (int, float)) and abs(value) > _LARGEST_NUMBER:
        raise ValueError(f"{value} is larger than any network's number")
