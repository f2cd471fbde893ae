"""The trainer of self-distillation, a MONAI trainer with its own iteration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Engine
from monai.engines import Trainer
from monai.engines.utils import IterationEvents
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from ..data.crops.rendering import render_batch
from ..embeddings.encoders import check_bfloat16
from ..processes import rank_and_size, reduce_over_processes
from .objective import SelfDistillationObjective


class SelfDistillationTrainer(Trainer):
    """Run student and teachers, loss, backward pass and step; MONAI's events are fired in between.

    At the start of each iteration, `Schedules` set rates, temperature, momentum and weights; gradients are clipped at
    BACKWARD_COMPLETED, the teacher is updated at MODEL_COMPLETED. The output of an iteration maps loss terms to
    numbers, averaged over all processes; until the iteration ends, ``engine.state.outputs`` holds the network's outputs
    for monitors.

    Args:
        device: CPU or CUDA device.
        max_epochs: number of epochs of the run; they only decide how often epoch handlers run.
        train_data_loader: loader of batches from `collate_crops`.
        network: `StudentTeacher`, possibly wrapped in DDP.
        optimizer: optimiser of the student's parameters.
        objective: objective that computes the loss terms of an iteration.
        epoch_length: number of iterations per epoch; required for endless loaders.
        train_handlers: handlers in the order in which they run.
        amp: whether to autocast to bfloat16, see `check_bfloat16`.
        non_blocking: whether to copy batches to the GPU while it computes.

    Reference: Simeoni et al., DINOv3, arXiv 2508.10104, section 3; golden values of the official code.
    """

    def __init__(
        self,
        *,
        device: torch.device,
        max_epochs: int,
        train_data_loader: Iterable[Any] | DataLoader[Any],
        network: nn.Module,
        optimizer: Optimizer,
        objective: SelfDistillationObjective,
        epoch_length: int | None = None,
        train_handlers: Sequence[Any] | None = None,
        amp: bool | str = False,
        non_blocking: bool = True,
    ) -> None:
        self.network, self.optimizer, self.objective = network, optimizer, objective
        check_bfloat16(amp)
        self.autocast = bool(amp)
        super().__init__(
            device=device,
            max_epochs=max_epochs,
            data_loader=train_data_loader,
            epoch_length=epoch_length,
            non_blocking=non_blocking,
            prepare_batch=_to_device,
            handlers=train_handlers,
            # MONAI's own amp option would add a CUDA GradScaler, which bfloat16 does not need
            amp=False,
            decollate=False,
        )

    def _iteration(self, engine: Engine, batchdata: Mapping[str, Any]) -> dict[str, float]:
        self.network.train()
        batch = _to_device(batchdata, self.state.device, engine.non_blocking)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.state.device.type, torch.bfloat16, enabled=self.autocast):
            outputs = self.network(batch)
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        terms = self.objective(outputs, batch, **engine.state.objective_settings)
        engine.fire_event(IterationEvents.LOSS_COMPLETED)
        terms["loss"].backward()
        engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
        # clipping has just waited for the device, so fetching the terms here takes no further wait, and logs and
        # progress bars need none later
        values = _mean_over_processes(terms)
        self.optimizer.step()
        engine.state.outputs = outputs
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        del engine.state.outputs
        return values


def _mean_over_processes(terms: Mapping[str, Tensor]) -> dict[str, float]:
    """Average terms over processes, as each process only has the terms of its own images."""
    values = torch.stack([term.detach().float() for term in terms.values()]) / rank_and_size()[1]
    return dict(zip(terms, reduce_over_processes(values).tolist(), strict=True))


def _to_device(
    batch: Mapping[str, Any], device: torch.device, non_blocking: bool = False, **_: Callable[..., Any]
) -> dict[str, Any]:
    moved: dict[str, Any] = {
        name: value.to(device, non_blocking=non_blocking) if isinstance(value, Tensor) else value
        for name, value in batch.items()
    }
    # slices and plans of crops, which are rendered here on the device
    unrendered = moved.pop("unrendered", None)
    return moved if unrendered is None else {**moved, **render_batch(unrendered, device)}
