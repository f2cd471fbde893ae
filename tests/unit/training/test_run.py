"""Trainings that a signal ends, and that go on."""

import os
import signal

import pytest
import torch
from ignite.engine import Events
from ignite.metrics import Average
from monai.engines import SupervisedEvaluator
from tiny_trainer import TinyRun

from meddino_components.interruption import Interrupted
from meddino_components.training import LastModel, TrainingCheckpoint, Validation, run_training


def validator(run, scores, n_cases=1):
    left = iter(scores)
    return SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=[{"image": torch.zeros(1, 3), "label": torch.zeros(1, 1)}] * n_cases,
        network=run.network,
        key_val_metric={"score": Average(output_transform=lambda output: next(left))},
        decollate=False,
    )


def train(path, *, resume=False, attach=None, evaluator=None, interval=2, **kwargs):
    run = TinyRun(epochs=4, **kwargs)
    torch.manual_seed(0)
    judge = evaluator(run) if evaluator else None
    handlers = [Validation(validator=judge, interval=interval)] if judge else []
    handlers.append(LastModel(network=run.network, path=path.with_name("model.pt")))
    objects = {"network": run.network, "optimizer": run.optimizer}
    handlers.append(TrainingCheckpoint(objects=objects, sampler=run.sampler, path=path, evaluator=judge, resume=resume))
    for handler in handlers:
        handler.attach(run.trainer)
    if attach:
        attach(run, judge)
    run_training(run.trainer, judge)
    return run, judge


def send_at(engine, event, number):
    engine.add_event_handler(event, lambda _: os.kill(os.getpid(), number))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 138)])
def test_a_signal_ends_a_run_after_its_iteration_and_it_goes_on_exactly(tmp_path, capsys, number, status):
    whole, _ = train(tmp_path / "whole" / "checkpoint.pt")
    path = tmp_path / "run" / "checkpoint.pt"
    with pytest.raises(Interrupted) as end:
        train(path, attach=lambda run, _: send_at(run.trainer, Events.ITERATION_STARTED(once=5), number))
    assert end.value.code == status
    # the second of three iterations of the second epoch
    assert torch.load(path, weights_only=True)["iteration"] == 5
    assert not path.with_name("model.pt").exists()  # of a run that is not over
    said = f"interrupted by {signal.Signals(number).name}: saved {path} at iteration 5; continue with `--resume True`\n"
    assert capsys.readouterr().err == said
    resumed, _ = train(path, resume=True, seed=7)
    assert torch.equal(resumed.weights, whole.weights)
    assert resumed.trainer.state.iteration == 12


@pytest.mark.parametrize("iteration", [6, 12])
def test_the_validation_of_an_epoch_that_ends_with_a_signal_is_made_up_for(tmp_path, iteration):
    """A signal in the last iteration of an epoch: ignite never reaches the end of that epoch."""
    found = {}
    for name in ("whole", "run"):
        path, validated = tmp_path / name / "checkpoint.pt", []

        def follow(run, judge, validated=validated, interrupt=name == "run"):
            judge.add_event_handler(Events.COMPLETED, lambda engine: validated.append(engine.state.epoch))
            if interrupt:
                send_at(run.trainer, Events.ITERATION_STARTED(once=iteration), signal.SIGTERM)

        def judging(run):
            return validator(run, [0.1] * 9)

        if name == "whole":
            train(path, evaluator=judging, attach=follow)
        else:
            with pytest.raises(Interrupted):
                train(path, evaluator=judging, attach=follow)
            assert torch.load(path, weights_only=True)["validation_due"]
            train(path, evaluator=judging, resume=True, attach=lambda run, judge: follow(run, judge, interrupt=False))
        found[name] = validated
    assert found["run"] == found["whole"] == [2, 4]


def test_a_validation_stops_after_its_case_and_is_made_up_for(tmp_path):
    scores = [0.1] * 4
    whole, judge = train(tmp_path / "whole" / "checkpoint.pt", evaluator=lambda run: validator(run, scores, 2))
    path = tmp_path / "run" / "checkpoint.pt"

    def interrupt(run, judge):
        send_at(judge, Events.ITERATION_STARTED(once=1), signal.SIGTERM)

    with pytest.raises(Interrupted):
        train(path, evaluator=lambda run: validator(run, [0.5] * 4, 2), attach=interrupt)
    content = torch.load(path, weights_only=True)
    assert (content["iteration"], content["validation_due"]) == (6, True)
    validated = []

    def watch(run, judge):
        judge.add_event_handler(Events.COMPLETED, lambda engine: validated.append(engine.state.epoch))

    resumed, judge = train(
        path, resume=True, evaluator=lambda run: validator(run, [0.5, 0.7, 0.1, 0.1], 2), attach=watch, seed=7
    )
    assert validated == [2, 4]
    assert (judge.state.best_metric_epoch, round(judge.state.best_metric, 6)) == (2, 0.6)
    assert torch.equal(resumed.weights, whole.weights)


def test_a_validation_that_the_end_of_a_run_owes_is_made_up_for(tmp_path):
    path, validated = tmp_path / "checkpoint.pt", []
    with pytest.raises(Interrupted):
        train(
            path,
            evaluator=lambda run: validator(run, [0.5] * 4),
            interval=9,
            attach=lambda run, judge: send_at(judge, Events.ITERATION_STARTED(once=1), signal.SIGTERM),
        )
    assert torch.load(path, weights_only=True)["iteration"] == 12

    def watch(run, judge):
        judge.add_event_handler(Events.COMPLETED, lambda engine: validated.append(engine.state.epoch))

    for _ in range(2):
        train(path, evaluator=lambda run: validator(run, [0.5] * 4), interval=9, resume=True, attach=watch)
    assert validated[0] == 4
