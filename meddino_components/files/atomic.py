"""Write files so that they appear complete or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from .hashing import flush
from .temporaries import temporary_beside

Self = TypeVar("Self", bound="AtomicFiles")  # part of typing since Python 3.11


class AtomicFiles:
    """Write several files under temporary names in the same folder, then rename them in the order of `path` calls.

    The data are on disk before the first rename, and the renames are on disk when the block ends. On an error,
    temporary files are removed and existing files stay unchanged. If the process is killed, hidden temporary files
    remain until another process writes to the folder. Several processes may write the same file: the last rename wins.

    This class replaces existing files. Use `ResultFiles` for results that a user requested and may have edited.

    Example:
        >>> with AtomicFiles() as files:
        ...     files.path(folder / "case.json").write_text("{}")  # doctest: +SKIP
    """

    def __init__(self) -> None:
        self._renames: list[tuple[Path, Path]] = []

    def path(self, final: Path) -> Path:
        """Return the temporary path to write instead of ``final``, with the same suffix for writers that check it."""
        temporary = temporary_beside(final)
        self._renames.append((temporary, final))
        return temporary

    def written(self) -> dict[Path, Path]:
        """Return the temporary paths handed out so far, by final path."""
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
