"""Values that pass a MONAI configuration as they are.

MONAI takes a text's ``#`` for ``::``, and evaluates what begins with ``$``, ``@`` or ``%``. A path may hold all of
these. It leaves alone what is no text, and asks for no key twice: so a path travels wrapped, and is put among what has
been resolved already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser


@dataclass(frozen=True)
class Verbatim:
    """A value of a top-level key that MONAI must not interpret.

    Args:
        value: value for readers of the key.
    """

    value: Any

    def __repr__(self) -> str:
        """As the value: MONAI lists what a run was given."""
        return repr(self.value)


def wrap(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values; texts, paths and lists of them as `Verbatim`."""
    return {key: Verbatim(_plain(value)) if _holds_text(value) else value for key, value in values.items()}


def value_of(value: Any) -> Any:
    """Return the value inside a `Verbatim`, and any other value unchanged."""
    return value.value if isinstance(value, Verbatim) else value


def unwrap_all(parser: ConfigParser) -> None:
    """Pass the values of all `Verbatim` to the readers of their keys; the parser must have parsed."""
    for key, value in list(parser.get().items()):
        if isinstance(value, Verbatim):
            keep(parser, key, value.value)


def keep(parser: ConfigParser, key: str, value: Any) -> None:
    """Pass `value` unchanged to the readers of a top-level key; the parser must have parsed."""
    parser.ref_resolver.resolved_content[key] = value


def _holds_text(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_holds_text(one) for one in value)
    return isinstance(value, (str, Path))


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value
