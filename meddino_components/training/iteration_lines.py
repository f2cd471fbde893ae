"""Append JSON lines, each for an iteration, to a file that a resumed run continues."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine

from ..files import AtomicFiles, append_to, write_text


class IterationLines:
    """Appends lines to a file, and drops lines of iterations that a resumed run will repeat.

    Args:
        path: file to append to; its folder is created.

    Raises:
        InputError: the file was not written by this project; raised at the first line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entered = False

    def append(self, iteration: int, values: Mapping[str, Any]) -> None:
        self._enter()
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"iteration": iteration, **values}) + "\n")

    def drop_after(self, iteration: int) -> None:
        if self.path.exists():
            self._enter()
            # the last line may be incomplete if the run was killed
            lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
            whole = [line for line in lines if line.endswith("\n")]
            kept = [line for line in whole if json.loads(line)["iteration"] <= iteration]
            with AtomicFiles() as files:
                write_text(files.path(self.path), "".join(kept))

    def _enter(self) -> None:
        if not self._entered:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            append_to(self.path)
            self._entered = True


def forget_metrics(engine: Engine, prefix: str) -> None:
    """Remove metrics whose names begin with ``prefix``, so that a log does not repeat old values."""
    for name in [name for name in engine.state.metrics if name.startswith(prefix)]:
        del engine.state.metrics[name]
