"""Write numbers of things in messages."""

from __future__ import annotations


def counted(n: int, noun: str) -> str:
    """Return a number with its noun in the right form.

    Example:
        >>> counted(1, "case"), counted(1200, "slice")
        ('1 case', '1,200 slices')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
