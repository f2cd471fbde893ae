"""Handle signals that ask a run to end, without losing results.

A terminal sends SIGINT, schedulers SIGTERM, and SLURM's ``--signal`` usually SIGUSR1 some time before a job ends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Interrupted(SystemExit):
    """A signal ended the run.

    Args:
        number: number of the signal; the exit status is 128 more, as shells and schedulers expect: 143 (SIGTERM), 130
            (SIGINT) or 138 (SIGUSR1).
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal = signal.Signals(number)


class _Answer:
    """Signal handlers of this process; `restore` brings back the previous ones."""

    def __init__(self) -> None:
        self.noted: signal.Signals | None = None
        self.at_once = True
        self.line = ""
        self._depth = 0
        self._before: dict[int, Any] = {}
        self._process = 0

    def install(self) -> None:
        # only the main thread may set handlers; a server's threads leave its signals alone
        if self._before or threading.current_thread() is not threading.main_thread():
            return
        self.noted, self._process = None, os.getpid()
        self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}

    @contextmanager
    def changed(self, *, at_once: bool, line: str) -> Iterator[None]:
        """Change the response during a block; the end of the outermost block restores the original one."""
        self.install()
        before = self.at_once, self.line
        self.at_once, self.line = at_once, line
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            self.at_once, self.line = before
            if self._depth == 0:
                self.restore()

    def restore(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before = {}
        self.at_once, self.line = True, ""

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # a loader's process, forked with this handler: its run ends it once it has the data it needs
            if number == signal.SIGTERM:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            return
        self.noted = self.noted or signal.Signals(number)
        if self.at_once:
            self.raise_noted()

    def raise_noted(self) -> None:
        if self.noted is not None:
            if self.line:
                say_interrupted(self.noted, self.line)
            raise Interrupted(self.noted)


_answer = _Answer()


class NotedSignals:
    """The signals that arrived within `signals_noted`."""

    @property
    def first(self) -> signal.Signals | None:
        """Return the first signal, or None."""
        return _answer.noted

    @contextmanager
    def raised(self) -> Iterator[None]:
        """Within this block a signal raises `Interrupted` at once, and so does an earlier one."""
        before, _answer.at_once = _answer.at_once, True
        try:
            _answer.raise_noted()
            yield
        finally:
            _answer.at_once = before


def exit_on_signal(line: str) -> None:
    """From now on let a signal end this process with one line and the usual status, until `signals_noted` takes over.

    Args:
        line: text about the run, printed after the signal's name.
    """
    _answer.install()
    _answer.line = line


@contextmanager
def signals_noted() -> Iterator[NotedSignals]:
    """Note signals during a block, whose code checks ``first`` where it can end; afterwards restore the handlers."""
    with _answer.changed(at_once=False, line=""):
        yield NotedSignals()


@contextmanager
def ends_on_signal(line: str) -> Iterator[None]:
    """Let a signal end the run at once during a block, with clean-up, a printed ``line`` and the usual status.

    This is for runs that save each finished part and can be stopped anywhere.

    Args:
        line: text about the run, printed after the signal's name.
    """
    with _answer.changed(at_once=True, line=line):
        yield


def restore_signals() -> None:
    """Undo `exit_on_signal`, for a process that continues."""
    _answer.restore()


def say_interrupted(by: signal.Signals, line: str) -> None:
    """Print one line about an interrupted run to the error stream."""
    print(f"interrupted by {by.name}: {line}", file=sys.stderr, flush=True)
