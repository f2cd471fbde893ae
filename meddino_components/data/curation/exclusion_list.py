"""Exclude cases that must not enter a store, such as the test images of a benchmark."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from ...errors import InputError

_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.IGNORECASE)


class ExclusionList:
    """Cases to exclude, from a text file with a case id, path, glob pattern (``*``, ``?``, ``[]``) or SHA-256 per line.

    Empty lines and lines that start with ``#`` are ignored. Names are case-sensitive. A folder excludes everything
    below it. A pattern may match the case id, ``source set/case id``, or the path, either absolute or relative to the
    source. A SHA-256 refers to the stored voxels, as in the report and in `VolumeRecord`.

    Args:
        path: path of the text file; None excludes nothing.

    Raises:
        InputError: the file cannot be read.
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
        """Return a line that matches one of the names (id and paths of a case), or None."""
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
        """Return the line with this SHA-256, or None."""
        line = self._hashes.get(sha256)
        if line is not None:
            self._unused.pop(line, None)
        return line

    def unused(self) -> list[str]:
        """Return the lines that have matched no case so far, because of a typo or because of other data."""
        return list(self._unused)
