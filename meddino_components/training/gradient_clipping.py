"""Clip the gradient norm between backward pass and optimiser step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from .placement import unwrap


class GradientClipping:
    """Handler: scale gradients so that their joint norm is at most ``max_norm``.

    The norm before clipping is in ``engine.state.metrics["gradient_norm"]``, or one for each of ``parts`` in
    ``"gradient_norm_<last name>"``.

    Args:
        network: module whose parameters are clipped together.
        max_norm: largest L2 norm.
        parts: names of submodules, each of which is clipped on its own; empty clips the whole network together.

    Raises:
        FloatingPointError: at a norm that is not finite, before it reaches the weights; the message names the
            iteration. The last checkpoint is untouched.
    """

    def __init__(self, *, network: nn.Module, max_norm: float, parts: Sequence[str] = ()) -> None:
        self.max_norm = max_norm
        plain = unwrap(network)
        self._modules = {f"gradient_norm_{name.rpartition('.')[2]}": plain.get_submodule(name) for name in parts}
        self._modules = self._modules or {"gradient_norm": plain}

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        norms = [_clip(module, self.max_norm) for module in self._modules.values()]
        # one transfer from the device for all of them
        for name, value in zip(self._modules, torch.stack(norms).tolist(), strict=True):
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"{name.replace('_', ' ')} {value} at iteration {engine.state.iteration}: training stops before "
                    "the weights are spoilt. Look for corrupt intensities in the data, or lower the learning rate; the "
                    "last checkpoint is intact and `--resume True` goes on from it"
                )
            engine.state.metrics[name] = value


def _clip(module: nn.Module, max_norm: float) -> Tensor:
    norm = nn.utils.clip_grad_norm_(module.parameters(), max_norm)
    # the norm of sharded parameters is a sum that each process knows a part of
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
