"""Put a network where it is trained."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import InputError
from .accumulation import InPieces

# newer versions of torch warn of the older name
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
    """Move a network to its device, and prepare it for how it is trained.

    DDP leaves buffers alone: ours are constants, and a broadcast of them in every step would be waited for. A network
    with running statistics in buffers, such as batch norm's, would keep those of each process.

    Args:
        network: the network, its weights loaded.
        device: a CPU or CUDA device.
        distributed: wrap it in DDP; torch.distributed must be initialised.
        accumulation_steps: pieces in which each batch of training is computed (`InPieces`).
        compile: by `torch.compile`, in place, so that names in its state stay as they are.

    Raises:
        InputError: fewer steps than 1.
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
    """The module inside of what `on_device` put round it: what is written does not depend on how it was trained."""
    while isinstance(item, DistributedDataParallel | InPieces):
        item = item.module
    return item
