"""The log of a run, and what a resumed run drops of it."""

import json

import pytest
from ignite.engine import Events
from planned_scores import Scores
from tiny_trainer import TinyRun

from meddino_components.files import append_to
from meddino_components.training import JsonLog


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
