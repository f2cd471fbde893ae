"""The bar of a whole run."""

import pytest
from ignite.engine import Engine, Events
from tiny_trainer import TinyRun

from meddino_components.training import RunProgress


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
