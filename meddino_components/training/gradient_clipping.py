"""Clip the gradient norm between backward pass and optimiser step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from ..placement.devices import unwrap

# the scale of a loss is halved at each step that is left out; below this it is not the scale that makes gradients too
# large
_SMALLEST_SCALE = 1.0


class GradientClipping:
    """Handler: scale gradients so that their joint norm is at most ``max_norm``.

    Where the loss is scaled (`LossScaling`), the scale is taken off first; it is in
    ``engine.state.metrics["loss_scale"]``. A step whose norm is not finite then is left to the scaler, which leaves it
    out, unless the scale has fallen below 1.

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
        scaler = getattr(engine, "scaler", None)
        if scaler is not None:
            scaler.unscale_(engine.optimizer)
            engine.state.metrics["loss_scale"] = scaler.get_scale()
        norms = [_clip(module, self.max_norm) for module in self._modules.values()]
        # one transfer from the device for all of them
        for name, value in zip(self._modules, torch.stack(norms).tolist(), strict=True):
            if not math.isfinite(value) and scaler is not None and scaler.get_scale() >= _SMALLEST_SCALE:
                engine.state.metrics.pop(name, None)
                continue
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
