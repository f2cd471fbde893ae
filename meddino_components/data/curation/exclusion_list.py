"""Cases that must not enter a store, such as the test images of a benchmark."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from ...errors import InputError

_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.IGNORECASE)


class ExclusionList:
    """Lines of a text file: case ids, paths, glob patterns (``*``, ``?``, ``[]``), or SHA-256 of contents.

    Empty lines and those that start with ``#`` are passed over. Names are compared as they stand, upper and lower case
    differ. A folder excludes all below it. A pattern may match the case id, ``source set/case id``, or the path,
    absolute or below the source. A SHA-256 is that of the stored voxels, as the report and `VolumeRecord` give it.

    Args:
        path: the file; None excludes nothing.

    Raises:
        InputError: it cannot be read.
    """

    def __init__(self, path: str | Path | None) -> None:
        self._names: set[str] = set()
        self._patterns: list[str] = []
        self._hashes: dict[str, str] = {}
        self._unused: dict[str, None] = {}
        if path is None:
            return
        try:
            text = Path(path).expanduser().read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: the exclusion list cannot be read ({error}). Expected a text file.") from error
        for line in (raw.strip() for raw in text.splitlines()):
            if not line or line.startswith("#"):
                continue
            self._unused[line.rstrip("/")] = None
            if found := _SHA256.fullmatch(line):
                self._hashes[found[1].lower()] = line
            elif any(sign in line for sign in "*?["):
                self._patterns.append(line)
            else:
                self._names.add(line.rstrip("/"))

    def match_name(self, names: Iterable[str]) -> str | None:
        """A line that one of the names matches; they are a case's id and paths."""
        candidates = list(names)
        with_parents = {part for name in candidates for part in (name, *map(str, PurePath(name).parents))}
        matching = sorted(self._names & with_parents)
        for pattern in self._patterns:
            if any(fnmatchcase(name, pattern) or fnmatchcase(name, pattern.rstrip("/") + "/*") for name in candidates):
                matching.append(pattern)
        for line in matching:
            self._unused.pop(line.rstrip("/"), None)
        return matching[0] if matching else None

    def match_content(self, sha256: str) -> str | None:
        """The line with this SHA-256."""
        line = self._hashes.get(sha256)
        if line is not None:
            self._unused.pop(line, None)
        return line

    def unused(self) -> list[str]:
        """Lines that matched no case so far: misspelt, or of a data set that is not here."""
        return list(self._unused)
