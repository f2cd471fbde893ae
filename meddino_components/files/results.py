"""Write results that a user requested, never over files from elsewhere or files that were edited since."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from ..errors import InputError
from .atomic import AtomicFiles
from .hashing import sha256_of
from .ledger import Ledger, State, open_ledger

_SHOWN = 3


class ResultFiles(AtomicFiles):
    """`AtomicFiles` that replaces only files of this project, and records what it writes.

    The record of a folder (`Ledger`) is written before the renames, with the hashes of the old and the new files. If
    the process is killed at any moment, all its files are therefore recorded.

    Args:
        overwrite: replace results that were edited since, too; None where the user has no such option. A file that
            this project did not write is never replaced.

    Raises:
        InputError: a file may not be replaced; raised at the end of the block, and then no file is replaced.
    """

    def __init__(self, *, overwrite: bool | None = None) -> None:
        super().__init__()
        self.overwrite = overwrite
        self._removed: list[Path] = []

    def remove_first(self, path: Path) -> None:
        """Remove a file before anything is renamed; the same block writes it again."""
        self._removed.append(path)

    def _publish(self, renames: list[tuple[Path, Path]]) -> None:
        folders: dict[Path, list[tuple[Path, Path]]] = defaultdict(list)
        for temporary, final in renames:
            folders[final.parent].append((temporary, final))
        with ExitStack() as stack:
            # always in the same order, so that two processes never wait for each other
            ledgers = {folder: stack.enter_context(open_ledger(folder)) for folder in sorted(folders)}
            states = {final: ledgers[final.parent].state(final.name) for _, final in renames}
            _refuse(states, self.overwrite)
            for folder, ledger in ledgers.items():
                for temporary, final in folders[folder]:
                    # an edited file about to be replaced is not recorded: if the process is killed, it still belongs to
                    # the user
                    kept = [sha256_of(final)] if states[final] == "ours" else []
                    ledger.enter(final.name, list(dict.fromkeys([sha256_of(temporary), *kept])))
                ledger.write()
            removed, self._removed = self._removed, []
            for path in removed:
                path.unlink(missing_ok=True)
            for temporary, final in renames:
                if states[final] == "absent" or final in removed:
                    _put_new(temporary, final)
                else:
                    os.replace(temporary, final)


def check_results(paths: Iterable[Path], *, overwrite: bool | None = None) -> None:
    """Refuse before the run what `ResultFiles` would refuse after it.

    Args:
        paths: paths of files that will be written.
        overwrite: whether to replace edited results, see `ResultFiles`.

    Raises:
        InputError: a file of the user or an edited result exists there, or a name is too long.
    """
    ledgers: dict[Path, Ledger] = {}
    states: dict[Path, State] = {}
    for path in paths:
        _check_length(path)
        if path.parent not in ledgers:
            ledgers[path.parent] = Ledger(path.parent)
        states[path] = ledgers[path.parent].state(path.name)
    _refuse(states, overwrite)


def is_unchanged(path: Path) -> bool:
    """Return whether the file exists and is exactly as this project wrote it."""
    return Ledger(path.parent).state(path.name) == "ours"


def append_to(path: Path) -> None:
    """Record a file that grows, such as a log: from then on this project may append to it and truncate it.

    Raises:
        InputError: a file of the user exists there.
    """
    with open_ledger(path.parent) as ledger:
        state = ledger.state(path.name)
        _refuse({path: state}, None)
        if state == "absent":
            ledger.enter(path.name, None)
            ledger.write()


def adopt(paths: Iterable[Path]) -> None:
    """Record existing files as they are: a run that the user resumes may replace them."""
    for path in paths:
        if path.is_file() and not path.is_symlink() and not is_unchanged(path):
            with open_ledger(path.parent) as ledger:
                ledger.enter(path.name, [sha256_of(path)])
                ledger.write()


def _refuse(states: dict[Path, State], overwrite: bool | None) -> None:
    foreign = [path for path, state in states.items() if state == "foreign"]
    if foreign:
        raise InputError(
            f"{_listed(foreign)}: not written by meddino, so never replaced. Give another output folder or name, or "
            f"move the existing file"
        )
    edited = [path for path, state in states.items() if state == "edited"]
    if edited and not overwrite:
        option = "" if overwrite is None else ", or set --overwrite to replace it"
        raise InputError(
            f"{_listed(edited)}: edited since meddino wrote it, so not replaced. Give another output folder or name, "
            f"or move the existing file{option}"
        )


def _listed(paths: list[Path]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(str(path) for path in paths[:_SHOWN]) + more


def _check_length(path: Path) -> None:
    try:
        most = os.pathconf(next(p for p in path.parents if p.exists()), "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError, StopIteration):
        most = 255
    if (found := len(os.fsencode(path.name))) > most:
        raise InputError(
            f"{path}: the name has {found} bytes, but the file system allows {most}. Rename the case or the file"
        )


def _put_new(temporary: Path, final: Path) -> None:
    """Rename to a path that did not exist a moment ago; a file that appeared since is not replaced.

    Raises:
        InputError: a file has appeared there.
    """
    try:
        os.link(temporary, final)
    except FileExistsError as error:
        raise InputError(f"{final}: appeared while it was being written. Run again") from error
    except OSError:  # the file system has no hard links
        os.replace(temporary, final)
    else:
        temporary.unlink()
