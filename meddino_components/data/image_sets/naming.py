"""List the first few of many items in a message, and the number of the others."""

from __future__ import annotations

from collections.abc import Sequence


def first_few(names: Sequence[object], shown: int = 5) -> str:
    """ "a, b, c, d, e and 7 more"."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(str(name) for name in names[:shown]) + more
