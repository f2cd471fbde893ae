"""Put a network where it is trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def on_device(network: nn.Module, device: torch.device | str, distributed: bool = False) -> nn.Module:
    """Move a network to its device and, for several processes, wrap it in DDP.

    DDP leaves buffers alone: ours are constants, and a broadcast of them in every step would be waited for. A network
    with running statistics in buffers, such as batch norm's, would keep those of each process.

    Args:
        network: the network, its weights loaded.
        device: a CPU or CUDA device.
        distributed: wrap it; torch.distributed must be initialised.
    """
    network = network.to(device)
    if not distributed:
        return network
    device_ids = [torch.device(device)] if torch.device(device).type == "cuda" else None
    return DistributedDataParallel(network, device_ids=device_ids, broadcast_buffers=False)


def unwrap(item: Any) -> Any:
    """The module inside a DDP wrapper, so that what is written does not depend on how many processes wrote it."""
    return item.module if isinstance(item, DistributedDataParallel) else item
