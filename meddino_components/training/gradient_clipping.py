"""Clip the gradient norm between backward pass and optimiser step."""

from __future__ import annotations

import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents
from torch import nn


class GradientClipping:
    """Handler: scale the gradients so that their joint norm is at most ``max_norm``.

    The norm before clipping is in ``engine.state.metrics["gradient_norm"]``.

    Args:
        network: module whose parameters are clipped together.
        max_norm: largest L2 norm.

    Raises:
        FloatingPointError: at a norm that is not finite, before it reaches the weights; the message names the
            iteration. The last checkpoint is untouched.
    """

    def __init__(self, *, network: nn.Module, max_norm: float) -> None:
        self.network, self.max_norm = network, max_norm

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.max_norm)
        value = float(norm)
        if not torch.isfinite(norm):
            raise FloatingPointError(
                f"gradient norm {value} at iteration {engine.state.iteration}: training stops before the weights are "
                "spoilt. Look for corrupt intensities in the data, or lower the learning rate; the last checkpoint is "
                "intact and `--resume True` goes on from it"
            )
        engine.state.metrics["gradient_norm"] = value
