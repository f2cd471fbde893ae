"""Metrics at their iterations, and warnings that say what to do."""

import logging

import pytest
import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents

from meddino_components.self_distillation.collapse_monitor import CollapseMonitor
from meddino_components.self_distillation.student_teacher import SelfDistillationOutputs

B, P, D, K = 8, 4, 12, 32


def healthy():
    generator = torch.Generator().manual_seed(0)
    logits = 10 * torch.eye(K)[:B].expand(2, -1, -1)
    return {
        "student_global_logits": logits.clone().requires_grad_(),
        "student_local_logits": logits,
        "student_patch_logits": logits[0],
        "student_cls": torch.randn(2, B, D, generator=generator),
        "student_patches": torch.randn(2 * B, P, D, generator=generator),
        "teacher_cls_logits": logits,
        "teacher_patch_logits": 10 * torch.eye(K)[:20],
        "teacher_cls": torch.randn(2, B, D, generator=generator),
        "gram_patches": None,
    }


COLLAPSED = {
    "cls rank": {"teacher_cls": torch.ones(2, B, D)},
    "patch rank": {"student_patches": torch.ones(2 * B, P, D)},
    "one-hot": {"teacher_cls_logits": 10 * torch.eye(K)[3].expand(2, B, -1)},
    "uniform patches": {"teacher_patch_logits": torch.zeros(20, K)},
}


def run(monitor, outputs, n_iterations=6, first=0):
    """Metrics after each iteration, for outputs that are the same or change by iteration."""

    def step(engine, batch):
        given = outputs(engine.state.iteration) if callable(outputs) else outputs
        engine.state.objective_settings = {"teacher_temp": 0.1}
        engine.state.outputs = SelfDistillationOutputs(**(healthy() | given))
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        seen.append(dict(engine.state.metrics))

    seen = []
    engine = Engine(step)
    engine.register_events(*IterationEvents)
    monitor.attach(engine)
    engine.run([0] * n_iterations)
    return seen


def test_metrics_are_there_when_measured_only():
    seen = run(CollapseMonitor(interval=3), {})
    assert [bool(metrics) for metrics in seen] == [False, False, True, False, False, True]
    metrics = seen[2]
    assert set(metrics) == {
        f"monitor/{name}"
        for name in (
            *(f"{kind}_{what}" for kind in ("cls", "patch")
              for what in ("effective_rank", "prototypes_used", "prototype_perplexity", "entropy", "entropy_of_mean")),
            "agreement", "cosine_agreement",
        )
    }  # fmt: skip
    assert metrics["monitor/agreement"] == 1
    assert metrics["monitor/cls_prototypes_used"] == 8 / 16
    assert metrics["monitor/patch_prototypes_used"] == 1
    assert metrics["monitor/cls_effective_rank"] > 5


def test_a_healthy_run_warns_of_nothing(caplog):
    run(CollapseMonitor(interval=1, warn_after=0, patience=1), {})
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("case", "texts"),
    [
        (
            "cls rank",
            ["cls features have an effective rank of 1.00 (at most 12): all images", "Lower the learning rate"],
        ),
        ("patch rank", ["patch features have an effective rank of 1.00 (at most 12): all patches"]),
        (
            "one-hot",
            ["16 images choose 1 of 32 prototypes", "all images the same prototype (entropy 0.00", "Raise the teacher"],
        ),
        (
            "uniform patches",
            ["20 patches choose 1 of 32", "all patches all prototypes alike (entropy 3.47", "Lower the teacher"],
        ),
    ],
)
def test_collapse_is_told_once(caplog, case, texts):
    with caplog.at_level(logging.WARNING):
        run(CollapseMonitor(interval=1, warn_after=0, patience=3), COLLAPSED[case])
    for text in texts:
        assert caplog.text.count(text) == 1
    assert all(record.getMessage().startswith("iteration 3: ") for record in caplog.records)


def test_warnings_wait_and_come_again(caplog):
    def outputs(iteration):
        return {} if iteration == 7 else COLLAPSED["cls rank"]

    run(CollapseMonitor(interval=1, warn_after=2, patience=2), outputs, n_iterations=10)
    found = [record.getMessage().split(":")[0] for record in caplog.records if record.levelno >= logging.WARNING]
    assert found == ["iteration 4", "iteration 9"]


def test_without_masked_patches_and_with_nan(caplog):
    nothing = {"teacher_patch_logits": torch.zeros(0, K), "teacher_cls": torch.full((2, B, D), torch.nan)}
    metrics = run(CollapseMonitor(interval=1, warn_after=0, patience=1), nothing)[-1]
    assert "monitor/patch_entropy" not in metrics
    assert "monitor/cls_effective_rank" not in metrics
    assert "monitor/patch_effective_rank" in metrics
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


def test_bad_settings():
    with pytest.raises(ValueError, match="at least 1"):
        CollapseMonitor(interval=0)
