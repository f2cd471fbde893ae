"""Remove from tensor names what training wrappers add to them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from meddino_components.errors import InputError

# prefixes of DistributedDataParallel and AveragedModel, torch.compile, activation checkpointing and FSDP, also in
# blocks
_WRAPPER = re.compile(
    r"(?:(?<=\.)|^)(?:module|_orig_mod|_checkpoint_wrapped_module|_fsdp_wrapped_module|_fpw_module)\."
)
# one vector that holds all parameters of a block, as FSDP stores them
_FLAT = re.compile(r"(?:^|\.)_?flat_param(?:_\d+)?$")
WHOLE = (
    "save whole tensors, with torch.distributed.checkpoint.state_dict.get_model_state_dict and the option "
    "full_state_dict=True, on one process"
)
# number of averaged networks in torch.optim.swa_utils.AveragedModel
_COUNTER = "n_averaged"


def without_wrappers(tensors: Mapping[Any, Any], *, source: str) -> dict[str, torch.Tensor]:
    """Return the tensors of a mapping by their names in the network without wrappers.

    Args:
        tensors: mapping with tensors; its other entries are left out.
        source: path of the file, for messages.

    Raises:
        InputError: the tensors are shards of FSDP or of an unsupported kind, or two would get the same name.
    """
    found: dict[str, torch.Tensor] = {}
    for key, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor) or key == _COUNTER:
            continue
        if _FLAT.search(str(key)):
            raise InputError(
                f"{source}: holds flat parameters of FSDP ({key}), which join parts of weights in one vector: {WHOLE}"
            )
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter, torch.nn.Buffer):
            kind = type(tensor).__name__
            what = (
                "one process's shard, as FSDP2 and tensor parallelism store it"
                if kind == "DTensor"
                else "which is not supported"
            )
            raise InputError(f"{source}: {key} is a {kind}, {what}: {WHOLE}")
        name = _WRAPPER.sub("", str(key))
        if name in found:
            raise InputError(
                f"{source}: holds two tensors named {name} once wrappers are removed: save only one network"
            )
        found[name] = tensor
    return found
