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

# the loss scale is halved at each skipped step; below this value, the scale is not why gradients overflow
_SMALLEST_SCALE = 1.0


class GradientClipping:
    """Handler that scales gradients so that their joint norm is at most ``max_norm``.

    If the loss is scaled (`LossScaling`), gradients are unscaled first; the scale is in
    ``engine.state.metrics["loss_scale"]``. If their norm is then not finite, the scaler skips the step, unless the
    scale has fallen below 1.

    The norm before clipping is in ``engine.state.metrics["gradient_norm"]``; with ``parts``, there is one norm for each
    in ``"gradient_norm_<last name>"``.

    Args:
        network: module whose gradients are clipped.
        max_norm: largest L2 norm.
        parts: names of submodules to clip separately; empty clips the whole network jointly.

    Raises:
        FloatingPointError: a norm is not finite. The weights and the last checkpoint are not affected; the message
            names the iteration.
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
                    "the weights are affected. Check the data for corrupt intensities, or lower the learning rate, and "
                    "continue from the last checkpoint with `--resume True`"
                )
            engine.state.metrics[name] = value


def _clip(module: nn.Module, max_norm: float) -> Tensor:
    norm = nn.utils.clip_grad_norm_(module.parameters(), max_norm)
    # with sharded parameters, each process has only its part of the norm
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
