"""Scale the loss where gradients are computed in fp16, whose smallest numbers they would fall below."""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine, Events

from ..inference import autocast_dtype


class LossScaling:
    """Handler of a `SupervisedTrainer`: torch's `GradScaler` for fp16, and nothing for bf16 and fp32.

    MONAI's engine makes a scaler of its own at each start, for CUDA alone, and keeps it out of checkpoints. This one is
    put in its place, and is among the objects of `TrainingCheckpoint`. A step whose gradients are not finite is left
    out and the scale halved, as happens in the first steps; `GradientClipping` takes the scale off before it clips.

    Args:
        amp: as for `AutocastInferer`.
        device: a CPU or CUDA device.
    """

    def __init__(self, *, amp: bool | str, device: torch.device | str) -> None:
        half = autocast_dtype(device, amp) == torch.float16
        self.scaler = torch.amp.GradScaler(torch.device(device).type, enabled=half)

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Any) -> None:
        if self.scaler.is_enabled():
            # the engine's own autocast would take in the loss, too; the inferer has one
            engine.amp, engine.amp_kwargs, engine.scaler = True, {"enabled": False}, self.scaler

    def state_dict(self) -> dict[str, Any]:
        return dict(self.scaler.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        # empty: of a run in another precision, which may change on resuming
        if state:
            self.scaler.load_state_dict(state)
