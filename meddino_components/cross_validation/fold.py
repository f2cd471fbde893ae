"""A fold: its folder, what is finished there, and the two commands that finish it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import ResultFiles, append_to, held_lock, is_unchanged, write_text
from . import with_parent

_TRAINED, _EVALUATED = "trained", "evaluated"
# a training whose parent was killed ends after its iteration, or after the case that it validates
_WAIT_FOR_EARLIER_SECONDS = 600.0
_POLL_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One fold of a cross-validation. It can be pickled, so that a Ray cluster can run it.

    Attributes:
        number: number of the fold, from 0.
        folder: folder of the training's results; the evaluation's are in its subfolder ``evaluation``.
        training: command line of a new training.
        evaluation: command line of the evaluation of the trained network.
        directory: working directory of both.
    """

    number: int
    folder: Path
    training: tuple[str, ...]
    evaluation: tuple[str, ...]
    directory: Path

    @property
    def log(self) -> Path:
        return self.folder / "log.jsonl"

    @property
    def scores(self) -> Path:
        return self.folder / "evaluation" / "metrics.csv"

    @property
    def summary(self) -> Path:
        return self.folder / "evaluation" / "metrics.json"

    @property
    def is_trained(self) -> bool:
        return self._is(_TRAINED) and (self.folder / "model.pt").is_file()

    @property
    def is_finished(self) -> bool:
        return self.is_trained and self._is(_EVALUATED) and is_unchanged(self.scores) and is_unchanged(self.summary)

    def next_command(self) -> tuple[str, tuple[str, ...]] | None:
        """Return the name ("training" or "evaluation") and the command of what is to be done next; None if nothing."""
        if not self.is_trained:
            resumed = ("--resume=True",) if (self.folder / "checkpoint.pt").is_file() else ()
            return "training", (*self.training, *resumed)
        if not self.is_finished:
            # the table of scores says which cases an interrupted evaluation has scored
            resumed = ("--skip_existing=True",) if is_unchanged(self.scores) else ()
            return "evaluation", (*self.evaluation, *resumed)
        return None

    def note_finished(self, name: str) -> None:
        """Record that the command of this name ended well."""
        finished = {_TRAINED: True, _EVALUATED: name == "evaluation"}
        with ResultFiles() as files:
            write_text(files.path(self._marks), json.dumps(finished) + "\n")

    @property
    def _marks(self) -> Path:
        return self.folder / "fold.json"

    def _is(self, mark: str) -> bool:
        if not is_unchanged(self._marks):
            return False
        marks: dict[str, Any] = json.loads(self._marks.read_text(encoding="utf-8"))
        return bool(marks[mark])


class RunningFold:
    """The process of a fold's next command, then of the one after it.

    Args:
        fold: fold to finish.
        variables: environment variables in addition to those of this process.
    """

    def __init__(self, fold: Fold, variables: Mapping[str, str]) -> None:
        self.fold, self.variables = fold, variables
        self.doing = ""
        self._process: subprocess.Popen[bytes] | None = None

    def poll(self) -> bool:
        """Start the next command if none runs; return whether the fold is finished.

        Raises:
            InputError: a command failed; the message has its last line.
        """
        if self._process is not None:
            status = self._process.poll()
            if status is None:
                return False
            self._process = None
            if status:
                raise InputError(self._failure(status))
            self.fold.note_finished(self.doing)
        following = self.fold.next_command()
        if following is None:
            return True
        if following[0] == self.doing:
            raise InputError(
                f"fold {self.fold.number}: its {self.doing} ended, but its results are not there or were edited: "
                f"see {self.fold.folder}"
            )
        self._start(*following)
        return False

    def stop(self) -> None:
        """End the running command as a scheduler would: a training writes a checkpoint; returns when it has ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def _start(self, name: str, command: tuple[str, ...]) -> None:
        self.doing = name
        self.fold.folder.mkdir(parents=True, exist_ok=True)
        _wait_for_earlier(self.fold.folder)
        append_to(self._output)
        python, *arguments = command
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [python, with_parent.__file__, str(os.getpid()), *arguments],
                cwd=self.fold.directory,
                env={**os.environ, **self.variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def _output(self) -> Path:
        return self.fold.folder / f"{self.doing}.txt"

    def _failure(self, status: int) -> str:
        text = self._output.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").strip()
        last = text.splitlines()[-1].removeprefix("error: ") if text else "it printed nothing"
        return f"fold {self.fold.number}: its {self.doing} ended with status {status}: {last} (see {self._output})"


def finish_fold(fold: Fold, variables: Mapping[str, str]) -> None:
    """Run what a fold lacks, and wait for it. An interruption ends the running command.

    Raises:
        InputError: a command failed.
    """
    running = RunningFold(fold, variables)
    try:
        while not running.poll():
            time.sleep(_POLL_SECONDS)
    finally:
        running.stop()


def _wait_for_earlier(folder: Path) -> None:
    """Wait until a process of an earlier run of this fold has ended.

    Raises:
        InputError: it still runs after ten minutes.
    """
    deadline = time.monotonic() + _WAIT_FOR_EARLIER_SECONDS
    while True:
        try:
            with held_lock(folder):
                return
        except InputError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)
