"""Which epochs are validated."""

import pytest
from ignite.engine import Events
from planned_scores import Scores
from tiny_trainer import TinyRun

from meddino_components.training import EarlyStopping, Validation


def validated(epochs, interval, scores=(0.5,) * 9, patience=None):
    run, validation, found = TinyRun(epochs=epochs), Scores(scores), []
    validation.engine.add_event_handler(Events.COMPLETED, lambda engine: found.append(engine.state.epoch))
    run.run(
        Validation(validator=validation.engine, interval=interval),
        EarlyStopping(evaluator=validation.engine, patience=patience),
    )
    return found, run.trainer.state.epoch


@pytest.mark.parametrize(
    ("epochs", "interval", "expected"), [(5, 2, [2, 4, 5]), (4, 2, [2, 4]), (3, 50, [3]), (1, 1, [1])]
)
def test_the_last_epoch_is_always_validated(epochs, interval, expected):
    assert validated(epochs, interval)[0] == expected


def test_early_stopping_counts_validations_not_epochs():
    assert validated(9, 2, scores=[0.9, 0.1, 0.1, 0.1, 0.1], patience=3) == ([2, 4, 6, 8], 8)
    # the first is the best by itself, and epochs before it do not count
    assert validated(120, 50, scores=[0.1, 0.3, 0.5], patience=2) == ([50, 100, 120], 120)
