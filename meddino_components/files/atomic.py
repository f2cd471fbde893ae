"""Files that appear complete or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from .hashing import flush
from .temporaries import temporary_beside

Self = TypeVar("Self", bound="AtomicFiles")  # typing has it from Python 3.11 on


class AtomicFiles:
    """Write several files under temporary names beside their own and rename them at the end, in the order of asking.

    The data are on the disk before the first rename, and the renames when the block ends. On an error the temporary
    files are removed and what existed is left as it was. After a kill they stay, hidden, until the next process that
    writes to the folder. Any number of processes may write the same file: the last rename counts.

    This class replaces what is there. For what a user asked for, and may have edited, there is `ResultFiles`.

    Example:
        >>> with AtomicFiles() as files:
        ...     files.path(folder / "case.json").write_text("{}")  # doctest: +SKIP
    """

    def __init__(self) -> None:
        self._renames: list[tuple[Path, Path]] = []

    def path(self, final: Path) -> Path:
        """The temporary path to write in place of ``final``; the suffix, by which writers choose a format, stays."""
        temporary = temporary_beside(final)
        self._renames.append((temporary, final))
        return temporary

    def written(self) -> dict[Path, Path]:
        """The temporary paths of what was asked for so far, by final path."""
        return {final: temporary for temporary, final in self._renames}

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        renames, self._renames = self._renames, []
        try:
            if kind is None and renames:
                for temporary, _ in renames:
                    flush(temporary)
                self._publish(renames)
                for folder in {final.parent for _, final in renames}:
                    flush(folder)
        finally:
            for temporary, _ in renames:
                temporary.unlink(missing_ok=True)

    def _publish(self, renames: list[tuple[Path, Path]]) -> None:
        for temporary, final in renames:
            os.replace(temporary, final)
