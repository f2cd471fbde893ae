"""What the schedules say reaches the optimiser, the objective and the log."""

from types import SimpleNamespace

import pytest
import torch
from tiny_pretraining import run, schedules
from tiny_student_teacher import tiny_student_teacher

from meddino_components.self_distillation import ScheduleHandler, constant_schedule


def test_rates_and_decay_follow_the_schedules_and_the_factors_of_the_groups():
    network = tiny_student_teacher()
    trainer, optimizer = run(network, iterations=3, gram_weight=constant_schedule(value=2.0))
    rate = schedules().lr[2]
    assert trainer.state.metrics["learning_rate"] == rate == 1e-3
    assert trainer.state.objective_settings == {"teacher_temp": 0.07, "local_weight": 1.0, "gram_weight": 2.0}
    for group in optimizer.param_groups:
        assert group["lr"] == pytest.approx(rate * group["lr_multiplier"])
        assert group["weight_decay"] == pytest.approx(0.04 * group["wd_multiplier"])


def test_prototypes_stay_while_frozen():
    network = tiny_student_teacher()
    start = network.student.dino_head.last_layer.weight.clone()
    run(network, iterations=2)
    assert torch.equal(network.student.dino_head.last_layer.weight, start)
    run(network, iterations=3)
    assert not torch.equal(network.student.dino_head.last_layer.weight, start)


def test_each_iteration_has_its_own_values_whatever_came_before():
    """As a resumed run needs: the values of an iteration are a function of its number."""
    rate, frozen = schedules().lr, schedules().last_layer_lr
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    factors = ({"lr_multiplier": 0.5, "wd_multiplier": 1.0}, {"lr_multiplier": 2.0, "wd_multiplier": 0.0})
    groups = [
        {"params": [parameter], "is_last_layer": last, **factor}
        for parameter, last, factor in zip(parameters, (False, True), factors, strict=True)
    ]
    optimizer = torch.optim.SGD(groups, lr=7.0)
    handler = ScheduleHandler(
        optimizer=optimizer, schedules=schedules(), local_weight=rate, gram_weight=constant_schedule(value=3.0)
    )
    for iteration in (4, 1, 3):
        engine = SimpleNamespace(state=SimpleNamespace(iteration=iteration, metrics={"loss": 1.0}))
        handler(engine)
        now = iteration - 1
        assert [group["lr"] for group in optimizer.param_groups] == [0.5 * rate[now], 2.0 * frozen[now]]
        assert [group["weight_decay"] for group in optimizer.param_groups] == [0.04, 0.0]
        assert engine.state.ema_momentum == 0.9
        settings = {"teacher_temp": 0.07, "local_weight": rate[now], "gram_weight": 3.0}
        assert engine.state.objective_settings == settings
        expected = {"loss": 1.0, "learning_rate": rate[now], "weight_decay": 0.04, "ema_momentum": 0.9, **settings}
        assert engine.state.metrics == expected
    # the first iteration of the warm-up, and the last layer while it is frozen
    assert rate[0] == frozen[0] == frozen[1] == 0 < frozen[2]
