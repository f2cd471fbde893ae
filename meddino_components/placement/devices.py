"""Move a network to the device where it is trained."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import InputError
from .accumulation import InPieces

# newer versions of torch warn about the older name
_NAMES = inspect.signature(DistributedDataParallel).parameters
_NO_BROADCAST: dict[str, Any] = {
    "forward_sync_buffers" if "forward_sync_buffers" in _NAMES else "broadcast_buffers": False
}


def on_device(
    network: nn.Module,
    device: torch.device | str,
    distributed: bool = False,
    accumulation_steps: int = 1,
    compile: bool = False,
) -> nn.Module:
    """Move a network to its device, and prepare it for training.

    DDP does not synchronise buffers: ours are constants, and broadcasting them would delay every step. In a network
    with running statistics in buffers, such as batch norm, each process keeps its own.

    Args:
        network: network with loaded weights.
        device: CPU or CUDA device.
        distributed: whether to wrap it in DDP; torch.distributed must be initialised.
        accumulation_steps: number of pieces in which each training batch is computed (`InPieces`).
        compile: whether to apply `torch.compile`, in place so that names in the state dict stay the same.

    Raises:
        InputError: there are fewer than 1 accumulation steps.
    """
    if accumulation_steps < 1:
        raise InputError(f"accumulation_steps is {accumulation_steps}; expected at least 1")
    network = network.to(device)
    if compile:
        network.compile()
    if accumulation_steps > 1:
        network = InPieces(network, n_pieces=accumulation_steps)
    if not distributed:
        return network
    device_ids = [torch.device(device)] if torch.device(device).type == "cuda" else None
    return DistributedDataParallel(network, device_ids=device_ids, **_NO_BROADCAST)


def unwrap(item: Any) -> Any:
    """Return the module inside the wrappers of `on_device`: saved files then do not depend on how it was trained."""
    while isinstance(item, DistributedDataParallel | InPieces):
        item = item.module
    return item
