"""Shard parameters, gradients and optimiser state over processes by FSDP2.

This is for ViT-L and larger, where student, teacher, optimiser and activations no longer fit on one GPU.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from .devices import unwrap

_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


def shard(network: nn.Module, device: torch.device, amp: bool = False) -> nn.Module:
    """Shard each transformer block and the rest of a network over all processes.

    Args:
        network: any module that contains backbones (`StudentTeacher`, a segmenter), with loaded weights.
        device: device of this process.
        amp: whether to gather parameters in bfloat16; gradients are still reduced in float32.
    """
    network = network.to(device)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16 if amp else None, reduce_dtype=torch.float32)
    for name, module in network.named_modules():
        # name of the stack in DINOv3 backbones
        if isinstance(module, nn.ModuleList) and name.endswith("blocks"):
            for block in module:
                fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(network, mesh=mesh, mp_policy=policy)
    return network


def is_sharded(network: nn.Module) -> bool:
    """Return whether this process holds only a part of the parameters."""
    return any(isinstance(parameter, DTensor) for parameter in network.parameters())


def whole_state(item: Any, network: nn.Module) -> Any:
    """Return the state of a network, its optimiser, or anything with ``state_dict``, as a single process would have it.

    If the network is sharded, all processes must call this; the first one gets the tensors.
    """
    if isinstance(item, nn.Module) and is_sharded(item):
        return get_model_state_dict(item, options=_WHOLE)
    if isinstance(item, Optimizer) and is_sharded(network):
        return get_optimizer_state_dict(network, item, options=_WHOLE)
    return unwrap(item).state_dict()


def load_whole_state(item: Any, state: Any, network: nn.Module) -> None:
    """Load a state that `whole_state` returned."""
    if isinstance(item, nn.Module) and is_sharded(item):
        set_model_state_dict(item, state, options=StateDictOptions(full_state_dict=True))
    elif isinstance(item, Optimizer) and is_sharded(network):
        set_optimizer_state_dict(network, item, state, options=StateDictOptions(full_state_dict=True))
    else:
        unwrap(item).load_state_dict(state)
