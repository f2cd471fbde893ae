"""The order of an iteration, and the handlers that go with it."""

import copy
import json

import pytest
import torch
from ignite.engine import Events
from safetensors import safe_open
from tiny_student_teacher import tiny_batch, tiny_student_teacher
from torch.testing import assert_close

from meddino_components.checkpoints import build_network, load_backbone_weights, read_record
from meddino_components.self_distillation import (
    GramTeacherRefresh,
    ScheduleHandler,
    Schedules,
    SelfDistillationObjective,
    SelfDistillationTrainer,
    TeacherExport,
    TeacherUpdate,
    constant_schedule,
    self_distillation_groups,
    stage_manifest,
    warmup_cosine_schedule,
)
from meddino_components.training import GradientClipping, JsonLog, Throughput

PARTS = ["student.backbone", "student.dino_head", "student.ibot_head"]


def schedules(**changed):
    rate = warmup_cosine_schedule(start=0.0, peak=1e-3, end=1e-5, warmup_iterations=2, total_iterations=6)
    values = {
        "lr": rate,
        "last_layer_lr": rate.frozen_until(2),
        "weight_decay": constant_schedule(value=0.04),
        "ema_momentum": constant_schedule(value=0.9),
        "teacher_temp": constant_schedule(value=0.07),
    }
    return Schedules(**{**values, **changed})


def run(network, *, handlers=(), iterations=3, batches=None, changed=None, **options):
    optimizer = torch.optim.AdamW(self_distillation_groups(network, lr_decay_rate=0.9, patch_embed_lr_mult=0.2))
    trainer = SelfDistillationTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        epoch_length=iterations,
        train_data_loader=batches or [tiny_batch(seed=number) for number in range(iterations)],
        network=network,
        optimizer=optimizer,
        objective=SelfDistillationObjective(),
        train_handlers=[
            ScheduleHandler(optimizer=optimizer, schedules=schedules(**(changed or {})), **options),
            GradientClipping(network=network, max_norm=3.0, parts=PARTS),
            TeacherUpdate(network=network),
            *handlers,
        ],
    )
    trainer.run()
    return trainer, optimizer


def test_the_teacher_follows_the_student_after_its_step():
    network = tiny_student_teacher()
    start = copy.deepcopy(network)
    run(network, iterations=1, changed={"lr": constant_schedule(value=1e-3)})
    assert not torch.equal(network.student.backbone.cls_token, start.student.backbone.cls_token)
    for name, parameter in network.teacher.named_parameters():
        old, new = start.teacher.get_parameter(name), network.student.get_parameter(name)
        assert_close(parameter, 0.9 * old + 0.1 * new)


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


def test_each_part_is_clipped_on_its_own():
    network, seen = tiny_student_teacher(), {}

    class Norms:
        def attach(self, engine):
            engine.add_event_handler(Events.ITERATION_COMPLETED, self)

        def __call__(self, engine):
            for name in PARTS:
                gradients = [p.grad.norm() for p in network.get_submodule(name).parameters()]
                seen[name.rpartition(".")[2]] = float(torch.stack(gradients).norm())

    trainer, _ = run(network, iterations=1, handlers=[Norms()])
    for part, clipped in seen.items():
        assert clipped == pytest.approx(min(3.0, trainer.state.metrics[f"gradient_norm_{part}"]), rel=1e-4)


def test_a_loss_that_is_not_finite_stops_before_the_step():
    network = tiny_student_teacher()
    start = copy.deepcopy(network.state_dict())
    bad = tiny_batch()
    bad["global_crops"][0, 0, 0, 0] = float("nan")
    with pytest.raises(FloatingPointError, match="gradient norm backbone nan at iteration 1: training stops"):
        run(network, iterations=1, batches=[bad])
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, start[name]), name


@pytest.mark.parametrize(
    ("settings", "due"),
    [
        ({"first": 2}, [2]),
        ({"first": 2, "interval": 3}, [2, 5, 8]),
        ({"first": 2, "interval": 3, "times": 2}, [2, 5]),
    ],
)
def test_when_the_gram_teacher_is_taken(settings, due):
    refresh = GramTeacherRefresh(network=tiny_student_teacher(gram_teacher="frozen"), **settings)
    assert [iteration for iteration in range(1, 10) if refresh.is_due(iteration)] == due


def test_the_gram_teacher_is_the_teacher_after_that_iteration():
    network = tiny_student_teacher(gram_teacher="frozen")
    refresh = GramTeacherRefresh(network=network, first=3)
    run(network, iterations=3, handlers=[refresh], changed={"lr": constant_schedule(value=1e-3)})
    assert torch.equal(network.gram_teacher["backbone"].cls_token, network.teacher.backbone.cls_token)


def test_teachers_are_exported_and_load_by_path(tmp_path):
    network = tiny_student_teacher()
    export = TeacherExport(
        network=network,
        path=tmp_path / "teacher.safetensors",
        folder=tmp_path / "teachers",
        interval=2,
        manifest=stage_manifest(network, 1),
    )
    run(network, iterations=3, handlers=[export])
    assert [path.name for path in sorted((tmp_path / "teachers").glob("*.safetensors"))] == [
        "teacher_0000002.safetensors"
    ]
    loaded = tiny_student_teacher(seed=9).student.backbone
    load_backbone_weights(loaded, tmp_path / "teacher.safetensors")
    for name, tensor in network.teacher.backbone.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    with safe_open(tmp_path / "teacher.safetensors", "pt") as file:
        facts = file.metadata()
    assert (facts["stage"], facts["iteration"], facts["embed_dim"]) == ("1", "3", "48")
    record = read_record(tmp_path / "teacher.safetensors")
    assert (record.stage["stage"], record.stage["iteration"]) == (1, 3)
    again = build_network(record.architecture, source="teacher.safetensors")
    assert load_backbone_weights(again, tmp_path / "teacher.safetensors").n_tensors > 0


def test_every_term_and_rate_is_logged(tmp_path):
    network = tiny_student_teacher()
    optimizer = torch.optim.AdamW(self_distillation_groups(network))
    log = JsonLog(path=tmp_path / "log.jsonl", optimizer=optimizer)
    run(network, iterations=2, handlers=[Throughput(batch_size=3), log])
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["iteration"] for line in lines] == [1, 2]
    expected = {"loss", "dino_local_loss", "dino_global_loss", "koleo_loss", "ibot_loss", "learning_rate"}
    expected |= {"teacher_temp", "ema_momentum", "weight_decay", "gradient_norm_backbone", "gradient_norm_dino_head"}
    assert expected <= set(lines[0])
    assert lines[1]["images_per_second"] > 0
