"""Schedules for values that change during a run: warm-up, then half a cosine.

Two recipes are in use and differ at the edges. The recipe of the stages (`warmup_cosine_schedule`) excludes the peak
from the warm-up and reaches the end value exactly. The older one (`cosine_schedule`) has the peak twice, at the end of
the warm-up and at the start of the cosine, and reaches the end value only after the last iteration.

Reference: golden values of the official DINOv3 code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

ScalingRule = Literal["none", "linear_wrt_256", "sqrt_wrt_1024"]


@dataclass(frozen=True, eq=False)
class Schedule:
    """One value per iteration, counted from 0; after the last one the final value applies.

    Args:
        values: values of the iterations, [iterations] in fp64.
        final: value after the last iteration.
    """

    values: NDArray[np.float64]
    final: float

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, iteration: int) -> float:
        if iteration < 0:
            raise IndexError(f"iterations count from 0, got {iteration}")
        return float(self.values[iteration]) if iteration < len(self) else self.final

    def frozen_until(self, iteration: int) -> Schedule:
        """Return the same schedule with 0 before this iteration."""
        return Schedule(np.where(np.arange(len(self)) < iteration, 0.0, self.values), self.final)


def constant_schedule(*, value: float) -> Schedule:
    """Return a schedule with the same value throughout."""
    return Schedule(np.empty(0), float(value))


def warmup_cosine_schedule(
    *,
    start: float,
    peak: float,
    end: float,
    total_iterations: int,
    warmup_iterations: int = 0,
    cosine_iterations: int | None = None,
) -> Schedule:
    """Rise linearly from ``start`` to just below ``peak``, fall by half a cosine from ``peak`` to ``end``, and stay.

    Args:
        start: first value; not used without warm-up.
        peak: value after the warm-up.
        end: value at the last iteration of the cosine and afterwards.
        total_iterations: number of iterations of the whole schedule.
        warmup_iterations: number of iterations of the linear part.
        cosine_iterations: number of iterations of the cosine; by default all that remain.

    Raises:
        InputError: the parts together are longer than the schedule.
    """
    left = total_iterations - warmup_iterations
    cosine_iterations = left if cosine_iterations is None else cosine_iterations
    if not 0 <= cosine_iterations <= left:
        raise InputError(
            f"{warmup_iterations} warm-up and {cosine_iterations} cosine iterations exceed {total_iterations} in "
            f"total: shorten the warm-up, or train longer"
        )
    warmup = np.linspace(start, peak, warmup_iterations, endpoint=False)
    cosine = _half_cosine(peak, end, np.linspace(0, 1, cosine_iterations))
    constant = np.full(left - cosine_iterations, end, dtype=np.float64)
    return Schedule(np.concatenate((warmup, cosine, constant)), float(end))


def cosine_schedule(
    *,
    peak: float,
    end: float,
    total_iterations: int,
    start: float = 0.0,
    warmup_iterations: int = 0,
    frozen_iterations: int = 0,
    truncate_extra: float = 0.0,
) -> Schedule:
    """Stay at 0 while frozen, rise linearly from ``start`` to ``peak``, fall by half a cosine towards ``end``.

    Args:
        peak: value after the warm-up.
        end: value after the last iteration.
        total_iterations: number of iterations of the whole schedule.
        start: first value of the warm-up.
        warmup_iterations: number of iterations of the linear part.
        frozen_iterations: number of iterations at 0, which come first.
        truncate_extra: share by which the cosine is longer than the schedule. The schedule uses only its first part,
            rescaled to fall from ``peak`` to ``end``; it reaches ``end`` at the last iteration, with a slope.

    Raises:
        InputError: the parts together are longer than the schedule.
    """
    left = total_iterations - warmup_iterations - frozen_iterations
    if left < 0:
        raise InputError(
            f"{frozen_iterations} frozen and {warmup_iterations} warm-up iterations exceed {total_iterations} in "
            f"total: shorten them, or train longer"
        )
    if truncate_extra == 0:
        cosine = _half_cosine(peak, end, np.arange(left) / max(1, left))
    else:
        shape = _half_cosine(1.0, 0.0, np.linspace(0, 1, int(left * (1 + truncate_extra))))[:left]
        cosine = end + (peak - end) * (shape - shape[-1]) / (shape[0] - shape[-1])
    warmup = np.linspace(start, peak, warmup_iterations)
    return Schedule(np.concatenate((np.zeros(frozen_iterations), warmup, cosine)), float(end))


def _half_cosine(first: float, last: float, progress: NDArray[np.float64]) -> NDArray[np.float64]:
    return last + (first - last) * (1 + np.cos(np.pi * progress)) / 2


def scaled_lr(lr: float, *, global_batch_size: int, rule: ScalingRule) -> float:
    """Scale the learning rate to the batch over all processes by ``linear_wrt_256``, ``sqrt_wrt_1024`` or ``none``.

    ``sqrt_wrt_1024`` multiplies by 4 sqrt(batch / 1024), with the official factor of 4.
    """
    if rule == "linear_wrt_256":
        return lr * global_batch_size / 256
    if rule == "sqrt_wrt_1024":
        return lr * 4 * (global_batch_size / 1024) ** 0.5
    if rule == "none":
        return lr
    raise ValueError(f"rule must be none, linear_wrt_256 or sqrt_wrt_1024, got {rule!r}")


@dataclass(frozen=True)
class Schedules:
    """All schedules of self-distillation.

    Args:
        lr: schedule of the learning rate, before the multipliers of parameter groups.
        last_layer_lr: learning rate of the heads' last layers, which are frozen at first.
        weight_decay: weight decay, before the multipliers of parameter groups.
        ema_momentum: share of the old teacher in the new one.
        teacher_temp: temperature of the teacher's probabilities.
    """

    lr: Schedule
    last_layer_lr: Schedule
    weight_decay: Schedule
    ema_momentum: Schedule
    teacher_temp: Schedule


def cosine_schedules(
    *,
    epoch_length: int,
    epochs: int,
    lr: float = 1e-3,
    min_lr: float = 1e-6,
    warmup_epochs: int = 10,
    weight_decay: float = 0.04,
    weight_decay_end: float = 0.4,
    momentum_teacher: float = 0.992,
    final_momentum_teacher: float = 1.0,
    warmup_teacher_temp: float = 0.04,
    teacher_temp: float = 0.07,
    warmup_teacher_temp_epochs: int = 30,
    freeze_last_layer_epochs: int = 1,
) -> Schedules:
    """Build the schedules of DINOv3's ``optim`` and ``teacher`` settings, with the same names.

    Args:
        epoch_length: number of iterations per epoch.
        epochs: number of epochs of the run.
        lr: peak learning rate, already scaled to the batch.
        min_lr, weight_decay_end, final_momentum_teacher: values after the last iteration.
        warmup_epochs: number of warm-up epochs of the learning rate, from 0.
        weight_decay, momentum_teacher: values at the start.
        warmup_teacher_temp: temperature at the start.
        teacher_temp: temperature after its warm-up.
        warmup_teacher_temp_epochs: number of warm-up epochs of the temperature.
        freeze_last_layer_epochs: number of epochs in which the last layers' learning rate is 0.
    """
    total = epochs * epoch_length
    rate = cosine_schedule(peak=lr, end=min_lr, total_iterations=total, warmup_iterations=warmup_epochs * epoch_length)
    warmup = warmup_teacher_temp_epochs * epoch_length
    return Schedules(
        lr=rate,
        last_layer_lr=rate.frozen_until(freeze_last_layer_epochs * epoch_length),
        weight_decay=cosine_schedule(peak=weight_decay, end=weight_decay_end, total_iterations=total),
        ema_momentum=cosine_schedule(peak=momentum_teacher, end=final_momentum_teacher, total_iterations=total),
        teacher_temp=cosine_schedule(
            start=warmup_teacher_temp,
            peak=teacher_temp,
            end=teacher_temp,
            total_iterations=warmup,
            warmup_iterations=warmup,
        ),
    )


@dataclass(frozen=True)
class WarmupCosine:
    """Settings of `warmup_cosine_schedule` in epochs, as in DINOv3's ``schedules`` settings."""

    start: float
    peak: float
    end: float
    warmup_epochs: int = 0
    cosine_epochs: int | None = None


def warmup_cosine_schedules(
    *,
    epoch_length: int,
    epochs: int,
    lr: WarmupCosine,
    weight_decay: WarmupCosine,
    momentum: WarmupCosine,
    teacher_temp: WarmupCosine,
    freeze_last_layer_epochs: int = 0,
    global_batch_size: int,
    scaling_rule: ScalingRule,
) -> Schedules:
    """Build the schedules of DINOv3's ``schedules`` settings.

    Args:
        epoch_length: number of iterations per epoch.
        epochs: number of epochs of the run.
        lr, weight_decay, momentum, teacher_temp: settings of one schedule each.
        freeze_last_layer_epochs: number of epochs in which the last layers' learning rate is 0.
        global_batch_size: number of images per step, over all processes.
        scaling_rule: rule that scales the learning rate's whole schedule, see `scaled_lr`.
    """

    def schedule(settings: WarmupCosine, **scaled: Any) -> Schedule:
        cosine_epochs = settings.cosine_epochs
        values = {"start": settings.start, "peak": settings.peak, "end": settings.end} | scaled
        return warmup_cosine_schedule(
            **values,
            total_iterations=epochs * epoch_length,
            warmup_iterations=settings.warmup_epochs * epoch_length,
            cosine_iterations=None if cosine_epochs is None else cosine_epochs * epoch_length,
        )

    factor = scaled_lr(1.0, global_batch_size=global_batch_size, rule=scaling_rule)
    rate = schedule(lr, start=lr.start * factor, peak=lr.peak * factor, end=lr.end * factor)
    return Schedules(
        lr=rate,
        last_layer_lr=rate.frozen_until(freeze_last_layer_epochs * epoch_length),
        weight_decay=schedule(weight_decay),
        ema_momentum=schedule(momentum),
        teacher_temp=schedule(teacher_temp),
    )
