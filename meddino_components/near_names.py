"""Find the known name that a mistyped one most likely stands for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

# ratio of difflib; names with different meanings, such as freeze_encoder and record::encoder, have 0.62
_ALIKE = 0.75


def near_name(typed: str, known: Iterable[str]) -> str | None:
    """Return the name in ``known`` that ``typed`` misspells; None if none is similar enough.

    A name with one word more or less also counts as similar: ``epochs`` for ``max_epoch``, ``skip_existing`` for
        ``skip``.
    """
    names = sorted(known)
    if close := difflib.get_close_matches(typed, names, n=1, cutoff=_ALIKE):
        return close[0]
    words = _words(typed)
    fewer = [name for name in names if words > _words(name)]
    more = [name for name in names if words and words < _words(name)]
    for found in (fewer, more):
        least = min((len(_words(name)) for name in found), default=0)
        nearest = [name for name in found if len(_words(name)) == least]
        if len(nearest) == 1:
            return nearest[0]
    return None


def _words(name: str) -> set[str]:
    return {word.rstrip("s") for word in re.split(r"[_\W]+", name.lower()) if word.rstrip("s")}
