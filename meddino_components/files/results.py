"""Files that a user asked for: never written over one that is not this project's, or that was edited since."""

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
    """`AtomicFiles` that replaces nothing but what this project wrote, and enters what it writes.

    The record of a folder (`Ledger`) is written before the renames, with the hashes of the old and the new files, so
    that a process killed at any moment leaves files that are known as this project's.

    Args:
        overwrite: replace results that were edited since, too; None where the user has no such option. A file that
            this project did not write is never replaced.

    Raises:
        InputError: at the end of the block, for a file that may not be replaced; none is then.
    """

    def __init__(self, *, overwrite: bool | None = None) -> None:
        super().__init__()
        self.overwrite = overwrite
        self._removed: list[Path] = []

    def remove_first(self, path: Path) -> None:
        """Remove a file, which is written anew in the same block, before anything is renamed."""
        self._removed.append(path)

    def _publish(self, renames: list[tuple[Path, Path]]) -> None:
        folders: dict[Path, list[tuple[Path, Path]]] = defaultdict(list)
        for temporary, final in renames:
            folders[final.parent].append((temporary, final))
        with ExitStack() as stack:
            # in one order, so that two processes do not wait for each other
            ledgers = {folder: stack.enter_context(open_ledger(folder)) for folder in sorted(folders)}
            states = {final: ledgers[final.parent].state(final.name) for _, final in renames}
            _refuse(states, self.overwrite)
            for folder, ledger in ledgers.items():
                for temporary, final in folders[folder]:
                    # an edited file that is about to be replaced is not entered: after a kill it is still the user's
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
    """Refuse at the start what `ResultFiles` would refuse at the end.

    Args:
        paths: that will be written.
        overwrite: as of `ResultFiles`.

    Raises:
        InputError: a file of the user's is there, or a result that was edited; a name is too long.
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
    """Whether the file is there as this project wrote it, and whole."""
    return Ledger(path.parent).state(path.name) == "ours"


def append_to(path: Path) -> None:
    """Enter a file that grows, such as a log: from then on this project may append to it and shorten it.

    Raises:
        InputError: a file of the user's is there.
    """
    with open_ledger(path.parent) as ledger:
        state = ledger.state(path.name)
        _refuse({path: state}, None)
        if state == "absent":
            ledger.enter(path.name, None)
            ledger.write()


def adopt(paths: Iterable[Path]) -> None:
    """Enter files as they are: what the user said that this run goes on with may be replaced by it."""
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
            "move what is there"
        )
    edited = [path for path, state in states.items() if state == "edited"]
    if edited and not overwrite:
        option = "" if overwrite is None else ", or set --overwrite to replace it"
        raise InputError(
            f"{_listed(edited)}: edited since meddino wrote it, so not replaced. Give another output folder or name, "
            f"or move what is there{option}"
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
            f"{path}: the name has {found} bytes, the file system takes {most}. Rename the case or the file"
        )


def _put_new(temporary: Path, final: Path) -> None:
    """Rename where nothing was a moment ago; what came meanwhile is not replaced.

    Raises:
        InputError: a file came.
    """
    try:
        os.link(temporary, final)
    except FileExistsError as error:
        raise InputError(f"{final}: appeared while it was being written. Run again") from error
    except OSError:  # a file system without hard links
        os.replace(temporary, final)
    else:
        temporary.unlink()
