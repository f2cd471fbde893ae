"""fp16 with a scaled loss: the step of the plain one, state that resumes, steps left out."""

import math

import pytest
import torch
from ignite.engine import Events
from tiny_trainer import TinyRun
from torch import nn

from meddino_components.inference import AutocastInferer
from meddino_components.training import GradientClipping, LossScaling, TrainingCheckpoint

CPU = torch.device("cpu")


def train(amp, *, path=None, loss=None, epochs=2, max_norm=1e-3, resume=False):
    """A run without random layers, clipped at every step; its metrics of each iteration."""
    run, metrics = TinyRun(epochs=epochs, loss=loss or TooLarge(math.inf)), []
    run.network[1].p = 0.0
    run.trainer.inferer = AutocastInferer(amp=amp)
    scaling = LossScaling(amp=amp, device=CPU)
    run.trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda engine: metrics.append({**engine.state.metrics, "weights": run.weights})
    )
    handlers = [scaling, GradientClipping(network=run.network, max_norm=max_norm)]
    if path is not None:
        objects = {"network": run.network, "optimizer": run.optimizer, "loss_scaling": scaling}
        handlers.append(TrainingCheckpoint(objects=objects, sampler=run.sampler, path=path, resume=resume))
    run.run(*handlers)
    return run, metrics, scaling


@pytest.mark.parametrize("amp", [False, True, "bf16"])
def test_nothing_is_scaled_in_other_precisions(amp):
    run, metrics, scaling = train(amp)
    assert run.trainer.scaler is None
    assert "loss_scale" not in metrics[-1]
    assert scaling.state_dict() == {}


def test_the_steps_are_those_without_scaling_and_clipped_at_the_same_norm():
    plain, expected, _ = train(False)
    scaled, found, _ = train("fp16")
    assert [line["loss_scale"] for line in found] == [65536.0] * 6
    for line, other in zip(found, expected, strict=True):
        # fp16 has 11 bits
        assert line["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=0.02)
        assert line["gradient_norm"] > 1e-3  # and is clipped
    torch.testing.assert_close(scaled.weights, plain.weights, rtol=0.02, atol=0.02)


class TooLarge(nn.Module):
    """A mean squared error, from call ``first`` to ``last`` with gradients that no scale lets pass.

    The others are so small that the first scale lets them pass.
    """

    def __init__(self, first, last=math.inf):
        super().__init__()
        self.calls, self.first, self.last = 0, first, last

    def forward(self, prediction, label):
        self.calls += 1
        return ((prediction - label) ** 2).mean() * (math.inf if self.first <= self.calls <= self.last else 0.01)


def test_a_step_that_is_too_large_is_left_out_and_halves_the_scale():
    _, metrics, _ = train("fp16", loss=TooLarge(3, 3))
    assert [line["loss_scale"] for line in metrics] == [65536.0] * 3 + [32768.0] * 3
    assert torch.equal(metrics[2]["weights"], metrics[1]["weights"])
    assert not torch.equal(metrics[3]["weights"], metrics[2]["weights"])
    assert ["gradient_norm" in line for line in metrics] == [True, True, False, True, True, True]


def test_gradients_that_no_scale_makes_finite_stop_the_run():
    with pytest.raises(FloatingPointError, match="at iteration 20: training stops"):
        train("fp16", loss=TooLarge(3), epochs=20)


def test_the_scale_is_in_the_checkpoint(tmp_path):
    path = tmp_path / "c.pt"
    whole, metrics, _ = train("fp16", loss=TooLarge(2, 2), epochs=4)
    train("fp16", loss=TooLarge(2, 2), path=path)
    resumed, rest, scaling = train("fp16", path=path, epochs=4, resume=True)
    assert [line["loss_scale"] for line in rest] == [32768.0] * 6
    assert scaling.state_dict()["_growth_tracker"] == 10
    assert torch.equal(resumed.weights, whole.weights)
    assert [line["gradient_norm"] for line in rest] == [line["gradient_norm"] for line in metrics[6:]]
    # the precision may change on resuming, both ways
    train("bf16", path=path, epochs=5, resume=True)
    assert train("fp16", path=path, epochs=6, resume=True)[1][0]["loss_scale"] == 65536.0
