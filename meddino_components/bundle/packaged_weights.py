"""Check that all readers of a released bundle get all of its weights."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from torch import nn

from ..checkpoints import read_payload
from ..errors import InputError, unwrapped
from .root import config_files

_SHOWN = 3


def check_packaged_weights(bundle: Path, model: Path) -> None:
    """Refuse weights that a reader of the bundle would load only in part.

    ``inference.json`` refuses weights that do not fit. `monai.bundle.load` and MONAI Label build the network before
    they know where the weights are, copy the tensors that fit, and leave the others random.

    Args:
        bundle: folder of the bundle, with the configurations that are shipped.
        model: the weights.

    Raises:
        InputError: the bundle runs no such weights, or a tensor does not fit.
    """
    parser = _inference(bundle)
    if "trained" not in parser:
        raise InputError(f"{model}: {bundle.name} reads no models/model.pt: package it without --model")
    with unwrapped():
        parser.update({"bundle_root": str(bundle), "model_path": str(model)})
        parser.get_parsed_content("trained")
        without_weights = _inference(bundle)
        without_weights.update({"bundle_root": str(bundle), "model_path": str(bundle / "models" / "absent.pt")})
        with torch.device("meta"):  # only shapes are needed
            network: nn.Module = without_weights.get_parsed_content("network_def")
    _check_as_monai_loads(network, model)


def _inference(bundle: Path) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(config_files(bundle, "inference"))
    return parser


def _check_as_monai_loads(network: nn.Module, model: Path) -> None:
    """Compare names and shapes of the file's tensors with those of the network."""
    wanted = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    found = _shapes(read_payload(model)) if zipfile.is_zipfile(model) else {}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if not wrong:
        return
    shown = "; ".join(f"{name} is {_shape(found, name)}, expected {_shape(wanted, name)}" for name in wrong[:_SHOWN])
    more = f" (and {len(wrong) - _SHOWN} more)" if len(wrong) > _SHOWN else ""
    raise InputError(
        f"{model}: {len(wanted) - len(wanted.keys() & set(wrong))} of {len(wanted)} tensors are those of the network "
        f"that the bundle builds: {shown}{more}. monai.bundle.load would leave the others random: package the model.pt "
        "that training writes, whose record says what to build, or a bare state dict of the bundle's own network"
    )


def _shapes(payload: Any) -> dict[str, list[int]]:
    items = payload.items() if isinstance(payload, Mapping) else ()
    return {str(name): list(value.shape) for name, value in items if isinstance(value, torch.Tensor)}


def _shape(shapes: Mapping[str, list[int]], name: str) -> str:
    return str(shapes[name]) if name in shapes else "absent"
