"""Describe a network as plain data, and build it again from that description.

The description leaves out what belongs to a run: DropPath, rotary augmentation, dropout and activation checkpointing.
As a description may come from an untrusted file, only the classes listed here are built, from their arguments alone.
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
# networks of MONAI that need nothing but their arguments and download nothing
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
# a larger number would allocate more memory than any network of these kinds needs
_LARGEST_NUMBER = 1 << 17
_SIZE_KEYS = ("embed_dim", "depth", "num_heads", "ffn_ratio", "ffn_layer")


def describe_network(network: nn.Module) -> dict[str, Any]:
    """Return ``_target_`` and arguments of one of our networks, without what belongs to a run.

    Raises:
        TypeError: the network is of another class and does not record its arguments.
    """
    if isinstance(network, DinoVisionTransformer):
        kept = {name: value for name, value in network.arguments.items() if name not in RUN_ARGUMENTS}
        # the name of the norm implies it; stated so that readers need not know how
        return {"_target_": _BACKBONE, **kept, "norm_eps": network.norm.eps}
    if isinstance(network, MedDinoSegmenter):
        return {
            "_target_": _SEGMENTER,
            "backbone": describe_network(network.backbone),
            "num_classes": network.decoder.head.weight.shape[0],
            "in_channels": network.stem.in_channels,
            "interaction_indices": list(network.aggregator.interaction_indices),
        }
    raise TypeError(f"{type(network).__name__} does not record the arguments it was built from")


def describe_monai_network(definition: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the description of one of MONAI's networks from its definition in a configuration.

    Args:
        definition: ``_target_``, short or with its module, and resolved arguments.

    Returns:
        The description; None if the network is not one of MONAI's, or its arguments are not plain data.
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
        architecture: description made by `describe_network` or `describe_monai_network`.
        source: file that holds the description, for the message.
        run: arguments that belong to the run: DropPath, activation checkpointing, rotary augmentation, and for a
            segmenter ``dropout``.

    Raises:
        InputError: the class is not one of those known here, or does not take these arguments.
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
    # a class may raise anything for arguments of the wrong type or range
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{source}: cannot build the {target.rpartition('.')[2]} that its record describes ({reason}); install "
            f"the version of meddino that wrote the file, or copy the file again"
        ) from error
    known = ", ".join(["MedDinoSegmenter", "DinoVisionTransformer", *_MONAI_CLASSES])
    raise InputError(
        f"{source}: its record names the network {target!r:.80}, expected one of {known}: give network_def"
    )


def encoder_part(architecture: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the encoder's description: a segmenter's backbone, or the backbone itself; else an empty one."""
    if architecture.get("_target_") == _BACKBONE:
        return architecture
    inner = architecture.get("backbone")
    return inner if isinstance(inner, Mapping) else {}


def preset_of(architecture: Mapping[str, Any]) -> str:
    """Return the name of a backbone's size in `PRESETS`; for other sizes, width and depth in words."""
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
        raise ValueError(f"the norm's eps is {eps}, but this version builds {network.norm.eps}")
    return network


def _check_numbers(value: Any) -> None:
    if isinstance(value, Mapping):
        for item in value.values():
            _check_numbers(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check_numbers(item)
    elif isinstance(value, (int, float)) and abs(value) > _LARGEST_NUMBER:
        raise ValueError(f"{value} is larger than any argument of a network")
