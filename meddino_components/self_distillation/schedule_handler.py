"""Apply the schedules at the start of each iteration."""

from __future__ import annotations

from ignite.engine import Engine, Events
from torch.optim import Optimizer

from .schedules import Schedule, Schedules


class ScheduleHandler:
    """Handler that sets learning rates, weight decay, temperature, momentum and loss weights of each iteration.

    Rates and weight decays are multiplied by the factors that `parameter_groups` gives each group. Values depend only
    on the iteration, so a resumed run needs no stored state. ``engine.state.objective_settings`` is passed to the
    objective, ``engine.state.ema_momentum`` to `TeacherUpdate`; ``engine.state.metrics`` contains them all.

    Args:
        optimizer: optimiser built from `parameter_groups`.
        schedules: schedules of rates, weight decay, momentum and temperature.
        local_weight: schedule for the weight of the local crops' DINO loss; None means 1 throughout.
        gram_weight: schedule for the weight of the Gram loss; None means 0 throughout.
    """

    def __init__(
        self,
        *,
        optimizer: Optimizer,
        schedules: Schedules,
        local_weight: Schedule | None = None,
        gram_weight: Schedule | None = None,
    ) -> None:
        self.optimizer, self.schedules = optimizer, schedules
        self.local_weight, self.gram_weight = local_weight, gram_weight

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        now = engine.state.iteration - 1
        schedules = self.schedules
        for group in self.optimizer.param_groups:
            rate = schedules.last_layer_lr if group["is_last_layer"] else schedules.lr
            group["lr"] = rate[now] * group["lr_multiplier"]
            group["weight_decay"] = schedules.weight_decay[now] * group["wd_multiplier"]
        engine.state.ema_momentum = schedules.ema_momentum[now]
        engine.state.objective_settings = {
            "teacher_temp": schedules.teacher_temp[now],
            "local_weight": 1.0 if self.local_weight is None else self.local_weight[now],
            "gram_weight": 0.0 if self.gram_weight is None else self.gram_weight[now],
        }
        engine.state.metrics |= {
            "learning_rate": schedules.lr[now],
            "weight_decay": schedules.weight_decay[now],
            "ema_momentum": engine.state.ema_momentum,
            **engine.state.objective_settings,
        }
