"""Metrics of single iterations."""

from __future__ import annotations

from ignite.engine import Engine


def forget_metrics(engine: Engine, prefix: str) -> None:
    """Take metrics away by the start of their names, so that no line of a log repeats what was not measured again."""
    for name in [name for name in engine.state.metrics if name.startswith(prefix)]:
        del engine.state.metrics[name]
