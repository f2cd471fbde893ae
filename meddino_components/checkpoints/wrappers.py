"""Names of tensors without what wrappers of training add to them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from meddino_components.errors import InputError

# DistributedDataParallel and AveragedModel, torch.compile, activation checkpointing, FSDP; also within a block
_WRAPPER = re.compile(
    r"(?:(?<=\.)|^)(?:module|_orig_mod|_checkpoint_wrapped_module|_fsdp_wrapped_module|_fpw_module)\."
)
# FSDP's parameters of a whole block in one vector
_FLAT = re.compile(r"(?:^|\.)_?flat_param(?:_\d+)?$")
WHOLE = (
    "save whole tensors, with torch.distributed.checkpoint.state_dict.get_model_state_dict and the option "
    "full_state_dict=True, on one process"
)
# of torch.optim.swa_utils.AveragedModel: how many networks were averaged
_COUNTER = "n_averaged"


def without_wrappers(tensors: Mapping[Any, Any], *, source: str) -> dict[str, torch.Tensor]:
    """The tensors of a mapping under the names that they have in the network alone.

    Args:
        tensors: whatever else the mapping holds is left out.
        source: the file, for messages.

    Raises:
        InputError: they are parts of tensors, as FSDP keeps them, or of a kind that is not read; or two would have one
            name.
    """
    found: dict[str, torch.Tensor] = {}
    for key, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor) or key == _COUNTER:
            continue
        if _FLAT.search(str(key)):
            raise InputError(
                f"{source}: holds flat parameters of FSDP ({key}), parts of weights in one vector: {WHOLE}"
            )
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter, torch.nn.Buffer):
            kind = type(tensor).__name__
            what = (
                "one process' part of it, as FSDP2 and tensor parallelism keep it" if kind == "DTensor" else "not read"
            )
            raise InputError(f"{source}: {key} is a {kind}, {what}: {WHOLE}")
        name = _WRAPPER.sub("", str(key))
        if name in found:
            raise InputError(f"{source}: holds two tensors that are both {name} without wrappers: save one network")
        found[name] = tensor
    return found
