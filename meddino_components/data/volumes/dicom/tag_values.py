"""Read numbers from tags that a series must have."""

from __future__ import annotations

from pathlib import Path

from ....errors import InputError
from .headers import FloatArray, SliceHeader


def numbers_of(header: SliceHeader, tag: str, count: int, what: str, folder: Path) -> FloatArray:
    """Return the numbers [count] of a tag.

    Raises:
        InputError: they are missing, not numbers, or not finite.
    """
    values = header.floats(tag, count)
    if values is None:
        raise InputError(
            f"{folder}: {header.path.name} has {what} '{header.tags[tag]}'; expected {count} numbers. "
            "Export the series again from its source."
        )
    return values
