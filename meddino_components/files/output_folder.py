"""Lock and check the folder that a run writes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from ..errors import InputError
from .ledger import HIDDEN
from .lock import held_lock, take_lock
from .results import ResultFiles, check_results
from .temporaries import temporary_beside

P = ParamSpec("P")
R = TypeVar("R")


class OutputFolder:
    """A folder with one writer at a time, in which only unedited results of this project are replaced.

    Args:
        path: path of the folder, created when it is first needed.
        overwrite: whether to replace results that were edited since, too; None if the user has no such option.
    """

    def __init__(self, path: str | Path, *, overwrite: bool | None = None) -> None:
        self.path = Path(path).expanduser()
        self.overwrite = overwrite

    @contextmanager
    def held(self, names: Iterable[str] = ()) -> Iterator[OutputFolder]:
        """Create the folder, hold its lock during the block, and check the names of files that will be written.

        Raises:
            InputError: the folder cannot be created or written to, another process writes to it, or see `check`.
        """
        self.probe()
        with held_lock(self.path):
            self.check(names)
            yield self

    def take(self) -> Path:
        """Take the lock without a block; `files.lock.release_lock` releases it. Raises like `held`."""
        self.probe()
        return take_lock(self.path)

    def probe(self) -> None:
        """Create the folder and write a byte to it.

        Raises:
            InputError: the folder cannot be created or written to.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            trial = temporary_beside(self.path / "trial")
            trial.write_bytes(b"0")
            trial.unlink()
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be created or written to ({error.strerror}). Give a writable folder"
            ) from error

    def check(self, names: Iterable[str]) -> None:
        """Refuse names that cannot be written, before anything is computed; names may contain subfolders.

        Raises:
            InputError: a file of this name was not written by this project, or was edited since and ``overwrite`` is
                not true; a name is too long; or two names are the same file on this file system.
        """
        paths = [self.path / name for name in names]
        check_results(paths, overwrite=self.overwrite)
        if _ignores_case(self.path):
            seen: dict[str, Path] = {}
            for path in paths:
                other = seen.setdefault(str(path).casefold(), path)
                if other != path:
                    raise InputError(f"{path} and {other.name} are the same file on this file system: rename one")

    def files(self) -> ResultFiles:
        """Return a block in which several files of this folder and its subfolders are written together."""
        return ResultFiles(overwrite=self.overwrite)


def writes_results(*names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function with a keyword ``output_dir`` so that it holds the folder's lock during the call.

    Args:
        names: names of files that the function will write there; they are checked before it starts.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            with OutputFolder(_output_dir(kwargs)).held(names):
                return function(*args, **kwargs)

        return call

    return decorate


def is_empty_folder(path: Path) -> bool:
    """Return whether a folder contains nothing but this project's record and lock."""
    return path.is_dir() and all(entry.name == HIDDEN for entry in path.iterdir())


def _output_dir(arguments: dict[str, Any]) -> str | Path:
    folder: str | Path = arguments["output_dir"]
    return folder


def _ignores_case(folder: Path) -> bool:
    return (folder / HIDDEN).exists() and (folder / HIDDEN.upper()).exists()
