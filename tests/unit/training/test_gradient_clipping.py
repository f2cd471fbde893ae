"""Clipping between backward pass and step."""

import pytest
import torch
from ignite.engine import Events
from tiny_trainer import TinyRun
from torch import nn

from meddino_components.training import GradientClipping


def norm(network):
    return torch.cat([p.grad.flatten() for p in network.parameters()]).norm().item()


@pytest.mark.parametrize(("max_norm", "clipped"), [(1e-3, True), (1e6, False)])
def test_reports_the_norm_and_clips_it(max_norm, clipped):
    run, after = TinyRun(epochs=1), []
    run.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: after.append(norm(run.network)))
    run.run(GradientClipping(network=run.network, max_norm=max_norm))
    reported = run.trainer.state.metrics["gradient_norm"]
    assert reported > 1e-2
    assert after[-1] == pytest.approx(max_norm if clipped else reported, rel=1e-3)


class NanFrom(nn.Module):
    """Mean squared error that is not a number from a call on."""

    def __init__(self, call, value):
        super().__init__()
        self.left, self.value = call, value

    def forward(self, prediction, label):
        self.left -= 1
        return ((prediction - label) ** 2).mean() * (1.0 if self.left > 0 else self.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_norm_that_is_not_finite_stops_before_the_step(value):
    run = TinyRun(epochs=3, loss=NanFrom(5, value))
    weights = []
    run.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: weights.append(run.weights))
    with pytest.raises(FloatingPointError, match="at iteration 5: training stops"):
        run.run(GradientClipping(network=run.network, max_norm=1.0))
    assert len(weights) == 4
    assert torch.equal(run.weights, weights[-1])
