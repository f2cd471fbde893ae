"""An event of ours reaches the handlers that wait for it."""

from ignite.engine import Engine, Events

from meddino_components.training.run_events import RunEvents, register


def test_handlers_are_called_once_per_event_however_often_it_is_registered():
    engine, calls = Engine(lambda engine, batch: None), []
    register(engine)
    register(engine)
    engine.add_event_handler(RunEvents.VALIDATION_DUE, lambda _: calls.append("due"))
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda e: e.fire_event(RunEvents.VALIDATION_DUE))
    engine.run([0], max_epochs=3)
    assert calls == ["due"] * 3
