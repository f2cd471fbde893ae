"""Images per second by a clock that the test turns."""

import pytest
from ignite.engine import Engine, Events

from meddino_components.training import Throughput, throughput


def test_a_running_mean_from_the_second_iteration_on(monkeypatch):
    ends = iter([10.0, 12.0, 13.0])
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: next(ends))
    engine, seen = Engine(lambda engine, batch: None), []
    Throughput(batch_size=8, smoothing=0.75).attach(engine)
    engine.add_event_handler(
        Events.ITERATION_COMPLETED, lambda e: seen.append(e.state.metrics.get("images_per_second"))
    )
    engine.run([0, 1, 2], max_epochs=1)
    # two seconds, then three quarters of two and a quarter of one
    assert seen == [None, 4.0, pytest.approx(8 / 1.75)]
