"""The order of an iteration, with the handlers of a training."""

import copy
import json

import pytest
import torch
from ignite.engine import Events
from tiny_pretraining import PARTS, run
from tiny_student_teacher import tiny_batch, tiny_student_teacher

from meddino_components.self_distillation import self_distillation_groups
from meddino_components.training import JsonLog, Throughput


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
