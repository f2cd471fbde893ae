"""One progress bar over all folds, with the remaining time."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from .fold import Fold

# how often a bar is printed where nobody watches: in the log of a scheduler's job
_SECONDS_IN_LOGS = 60.0


class AllFoldsProgress:
    """Bar over the training steps of all folds.

    The remaining time follows from the mean time of a step of this run; the evaluations of finished folds count in it.

    Args:
        folds: all folds.
        steps: number of steps of each training.
        enabled: whether to show the bar.
    """

    def __init__(self, folds: Sequence[Fold], steps: int, *, enabled: bool) -> None:
        self.folds, self.steps = folds, steps
        at_terminal = sys.stderr.isatty()
        self._bar: tqdm[Any] = tqdm(
            total=len(folds) * steps,
            initial=self._done(),
            desc="cross-validation",
            unit="it",
            smoothing=0,
            mininterval=1.0 if at_terminal else _SECONDS_IN_LOGS,
            disable=not enabled,
        )

    def watch(self, running: Mapping[int, str]) -> None:
        """Bring the bar up to date; ``running`` says what each running fold does."""
        texts = [f"fold {number} {doing}".strip() for number, doing in sorted(running.items())]
        self._bar.set_postfix_str(", ".join(texts), refresh=False)
        self._bar.update(self._done() - self._bar.n)

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        if not self._bar.disable:
            self._bar.write(line, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()

    def _done(self) -> int:
        # a training that stopped early has fewer steps
        return sum(self.steps if fold.is_trained else min(self.steps, last_iteration(fold.log)) for fold in self.folds)


def last_iteration(log: Path, tail: int = 65536) -> int:
    """Return the newest iteration in a training's log; 0 if there is none.

    Args:
        log: JSON lines.
        tail: number of bytes that are read, from the end.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - tail))
            lines = file.read().splitlines()
    except OSError:
        return 0
    for line in reversed(lines):
        try:
            return int(json.loads(line)["iteration"])
        except (ValueError, KeyError, TypeError):  # the line is being written, or begins before the tail
            continue
    return 0
