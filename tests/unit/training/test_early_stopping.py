"""The end of a run whose validations no longer improve."""

import math

import pytest
from ignite.engine import Events
from planned_scores import Scores
from tiny_trainer import TinyRun

from meddino_components.errors import InputError
from meddino_components.training import EarlyStopping, TrainingCheckpoint, Validation


def train(scores, patience, *, path=None, **kwargs):
    """A run with a validation after each epoch; returns the epochs that it trained."""
    run, validation, trained = TinyRun(**kwargs), Scores(scores), []
    run.trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: trained.append(engine.state.epoch))
    stopping = EarlyStopping(evaluator=validation.engine, patience=patience)
    handlers = [Validation(validator=validation.engine, interval=1), stopping]
    if path is not None:
        objects = {"network": run.network, "optimizer": run.optimizer, "early_stopping": stopping}
        handlers += [
            TrainingCheckpoint(
                objects=objects, sampler=run.sampler, path=path, evaluator=validation.engine, resume=path.exists()
            )
        ]
    run.run(*handlers)
    return trained


@pytest.mark.parametrize(
    ("scores", "patience", "epochs"),
    [
        ([0.1, 0.3, 0.2, 0.2, 0.9], 2, 4),
        ([0.1, 0.3, 0.2, 0.4, 0.3], 2, 5),
        ([0.5, 0.4, 0.3, 0.2, 0.1], None, 5),
        ([0.5, 0.4, 0.3, 0.2, 0.1], 1, 2),
        ([0.5, math.nan, math.nan, 0.6, 0.7], 2, 3),
        ([math.nan, 0.1, 0.2, 0.3, 0.4], 1, 5),
    ],
)
def test_stops_after_so_many_validations_that_are_no_better(scores, patience, epochs):
    assert train(scores, patience, epochs=5) == list(range(1, epochs + 1))


def test_waits_for_the_first_validation():
    run, validation = TinyRun(epochs=4), Scores([])
    run.run(EarlyStopping(evaluator=validation.engine, patience=1))
    assert run.trainer.state.epoch == 4


def test_a_resumed_run_goes_on_counting(tmp_path):
    path = tmp_path / "c.pt"
    assert train([0.5, 0.4], 3, path=path, epochs=2) == [1, 2]
    # two more that are no better; 0.45 would be if the best were forgotten
    assert train([0.45, 0.4, 0.9], 3, path=path, epochs=9) == [3, 4]
    # has stopped: goes on where more patience is asked for alone
    assert train([], 3, path=path, epochs=9) == []
    assert train([0.1, 0.1, 0.1], 5, path=path, epochs=9) == [5, 6]


def test_a_limit_set_on_resuming_counts_what_was_before(tmp_path):
    path = tmp_path / "c.pt"
    train([0.5, 0.4, 0.4], None, path=path, epochs=3)
    assert train([0.4, 0.4, 0.4], 3, path=path, epochs=9) == [4]


@pytest.mark.parametrize("patience", [0, -1])
def test_a_patience_below_one_is_refused(patience):
    with pytest.raises(InputError, match=f"early_stopping_patience is {patience}; expected at least 1 validation"):
        EarlyStopping(evaluator=Scores([]).engine, patience=patience)
