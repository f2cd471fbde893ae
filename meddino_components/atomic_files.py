"""Files that appear complete or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType


class AtomicFiles:
    """Write several files under temporary names beside their own and rename them all at the end.

    On an error the temporary files are removed and what existed is left as it was. After a kill they stay, hidden
    (``.case.partial.nii.gz``), and the next run of the same case writes over them.

    Example:
        >>> with AtomicFiles() as files:
        ...     files.path(folder / "case.json").write_text("{}")  # doctest: +SKIP
    """

    def __init__(self) -> None:
        self._renames: list[tuple[Path, Path]] = []

    def path(self, final: Path) -> Path:
        """The temporary path to write in place of ``final``; the suffix, by which writers choose a format, stays."""
        suffix = ".nii.gz" if final.name.endswith(".nii.gz") else final.suffix
        temporary = final.with_name(f".{final.name.removesuffix(suffix)}.partial{suffix}")
        self._renames.append((temporary, final))
        return temporary

    def __enter__(self) -> AtomicFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                for temporary, final in self._renames:
                    os.replace(temporary, final)
        finally:
            for temporary, _ in self._renames:
                temporary.unlink(missing_ok=True)
