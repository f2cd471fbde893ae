"""What a resumed run may change, and how the schedule follows."""

import pytest
import torch
from checkpointed_runs import checkpoint
from ignite.engine import Events
from tiny_trainer import TinyRun

from meddino_components.errors import InputError


def settled(path, settings, **kwargs):
    run = TinyRun(epochs=kwargs.pop("epochs", 1))
    return run.run(checkpoint(run, path, settings=settings, **kwargs))


def test_contradicting_settings_are_named_with_both_values(tmp_path):
    path = tmp_path / "c.pt"
    settled(path, {"fold": 0, "pixdim": [0.5, 0.5], "a::b": "x"})
    with pytest.raises(InputError) as error:
        settled(path, {"fold": 1, "pixdim": [0.7, 0.7], "a::c": "x"}, epochs=2, resume=True)
    said = str(error.value)
    for part in (
        "fold 0 (this run: 1)",
        "pixdim [0.5, 0.5] (this run: [0.7, 0.7])",
        "a::b x (this run: not set)",
        "--changed_on_resume \"['fold']\"",
    ):
        assert part in said
    changed = settled(
        path, {"fold": 1, "a::b": "y", "pixdim": [0.5, 0.5]}, epochs=2, resume=True, changed=["fold", "a"]
    )
    assert changed.trainer.state.iteration == 6


def scheduled(path, epochs, rate=0.05, **kwargs):
    run, rates = TinyRun(epochs=epochs), []
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    schedule = torch.optim.lr_scheduler.PolynomialLR(run.optimizer, total_iters=3 * epochs)
    run.trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda _: (rates.append(run.optimizer.param_groups[0]["lr"]), schedule.step())
    )
    run.run(checkpoint(run, path, objects={"lr_scheduler": schedule}, **kwargs))
    return rates


def test_the_schedule_follows_more_epochs_and_another_rate(tmp_path):
    expected = scheduled(tmp_path / "whole.pt", 4)
    scheduled(tmp_path / "c.pt", 2)
    assert scheduled(tmp_path / "c.pt", 4, resume=True) == pytest.approx(expected[6:])
    scheduled(tmp_path / "d.pt", 2)
    halved = scheduled(tmp_path / "d.pt", 4, rate=0.025, resume=True)
    assert halved == pytest.approx([rate / 2 for rate in expected[6:]])
