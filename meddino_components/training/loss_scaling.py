"""Scale the loss in fp16 training, where small gradients would underflow."""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine, Events

from ..inference import autocast_dtype


class LossScaling:
    """Handler of a `SupervisedTrainer` that uses torch's `GradScaler` for fp16, and does nothing for bf16 and fp32.

    MONAI's engine creates a new scaler at each start, only for CUDA, and does not save it in checkpoints. This scaler
    replaces it and can be among the objects of `TrainingCheckpoint`. Steps with non-finite gradients are skipped and
    halve the scale, as is normal in the first steps; `GradientClipping` unscales gradients before it clips them.

    Args:
        amp: precision, see `AutocastInferer`.
        device: CPU or CUDA device.
    """

    def __init__(self, *, amp: bool | str, device: torch.device | str) -> None:
        half = autocast_dtype(device, amp) == torch.float16
        self.scaler = torch.amp.GradScaler(torch.device(device).type, enabled=half)

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Any) -> None:
        if self.scaler.is_enabled():
            # the engine's autocast would include the loss; the inferer has its own
            engine.amp, engine.amp_kwargs, engine.scaler = True, {"enabled": False}, self.scaler

    def state_dict(self) -> dict[str, Any]:
        return dict(self.scaler.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        # empty if the run was in another precision, which may change on resuming
        if state:
            self.scaler.load_state_dict(state)
