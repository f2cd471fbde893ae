"""Best model, log and progress bar."""

import json

import pytest
import torch
from ignite.engine import Engine, Events
from planned_scores import Scores
from tiny_trainer import TinyRun
from torch import nn

from meddino_components.checkpoints import WeightsRecord, read_record, sha256_of
from meddino_components.files import append_to
from meddino_components.training import BestModel, JsonLog, LastModel, RunProgress


def test_best_model_is_written_at_improvements_only(tmp_path):
    path = tmp_path / "models" / "model.pt"
    path.parent.mkdir()
    scores = [0.2, 0.1, 0.2, 0.5, 0.4]
    validation, written = Scores(scores), []
    BestModel(network=validation.network, path=path).attach(validation.engine)
    for epoch in range(1, len(scores) + 1):
        nn.init.constant_(validation.network.weight, epoch)
        validation.engine.run(epoch)
        written.append(torch.load(path, weights_only=True)["weight"].item())
        assert (path.parent / "model.pt.sha256").read_text(encoding="utf-8") == f"{sha256_of(path)}  model.pt\n"
    assert written == [1, 1, 1, 4, 4]


def test_weights_say_whether_they_are_the_best_or_the_last(tmp_path):
    record = WeightsRecord(architecture=None, plan={}, labels={}, channels=())
    validation = Scores([0.2, 0.5, 0.4])
    BestModel(network=validation.network, path=tmp_path / "best.pt", record=record).attach(validation.engine)
    for epoch in (1, 2, 3):
        validation.engine.run(epoch)
    (name,) = set(read_record(tmp_path / "best.pt").metrics) - {"kept", "epoch"}
    assert read_record(tmp_path / "best.pt").metrics == {"kept": "best", "epoch": 2, name: 0.5}
    run = TinyRun(epochs=3)
    run.run(LastModel(network=run.network, path=tmp_path / "last.pt", record=record))
    assert read_record(tmp_path / "last.pt").metrics == {"kept": "last", "epoch": 3}


def test_log_has_a_line_for_each_iteration_and_validation(tmp_path):
    run, validation = TinyRun(epochs=2, epoch_length=2), Scores([0.25, 0.5])
    expected = []
    run.trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda engine: expected.append(engine.state.output["loss"].item())
    )
    validation.validate_after_each_epoch(run.trainer)
    path = tmp_path / "new" / "log.jsonl"
    run.run(JsonLog(path=path, optimizer=run.optimizer, evaluator=validation.engine))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["iteration"] for line in lines] == [1, 2, 2, 3, 4, 4]
    assert [line["loss"] for line in lines if "loss" in line] == expected
    assert [line["validation"]["score"] for line in lines if "validation" in line] == [0.25, 0.5]
    assert lines[0]["learning_rates"] == [0.05]


# what a kill can leave after the last line: the second half line ends as a whole one does
@pytest.mark.parametrize("half", ["", '{"iteration": 6, "lo', '{"iteration": 6, "validation": {"score": 0.5}'])
def test_log_drops_lines_after_the_checkpoint_and_half_ones(tmp_path, half):
    path = tmp_path / "log.jsonl"
    lines = [json.dumps({"iteration": i, "loss": 0.5}) for i in range(1, 6)]
    append_to(path)
    path.write_text("\n".join(lines) + "\n" + half)
    run = TinyRun(epochs=4, epoch_length=1)
    log = JsonLog(path=path, optimizer=run.optimizer)
    run.trainer.add_event_handler(Events.STARTED, lambda engine: setattr(engine.state, "iteration", 3))
    run.trainer.add_event_handler(Events.STARTED, lambda engine: setattr(engine.state, "epoch", 3))
    run.run(log)
    found = path.read_text(encoding="utf-8").splitlines()
    assert found[:3] == lines[:3]
    assert [json.loads(line)["iteration"] for line in found] == [1, 2, 3, 4]


@pytest.mark.parametrize("start", [0, 2])
def test_progress_counts_the_whole_run(start, capsys):
    run = TinyRun(epochs=5, epoch_length=3)
    progress, bars = RunProgress(optimizer=run.optimizer), []

    def resume(engine):
        engine.state.epoch, engine.state.iteration = start, 3 * start

    run.trainer.add_event_handler(Events.STARTED, resume)
    run.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: bars.append(progress._bar))
    run.run(progress)
    assert (bars[0].total, bars[0].initial, bars[0].n) == (15, 3 * start, 15)
    shown = capsys.readouterr().err
    assert "15/15" in shown
    assert "lr=5.00e-02" in shown


def test_progress_can_be_off_and_hides_no_error(capsys):
    run = TinyRun(epochs=1)
    run.run(RunProgress(optimizer=run.optimizer, enabled=False))
    assert capsys.readouterr().err == ""
    failing = Engine(lambda engine, batch: 1 / 0)
    RunProgress(optimizer=run.optimizer).attach(failing)
    with pytest.raises(ZeroDivisionError):
        failing.run([0], max_epochs=1)
