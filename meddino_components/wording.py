"""Write numbers and lists of things in messages."""

from __future__ import annotations

from collections.abc import Sequence


def counted(n: int, noun: str) -> str:
    """Return a number with its noun in the right form.

    Example:
        >>> counted(1, "case"), counted(1200, "slice")
        ('1 case', '1,200 slices')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def first_few(names: Sequence[object], shown: int = 5) -> str:
    """Return the first names of a list, and the number of the others.

    Example:
        >>> first_few(range(12))
        '0, 1, 2, 3, 4 and 7 more'
    """
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(str(name) for name in names[:shown]) + more
