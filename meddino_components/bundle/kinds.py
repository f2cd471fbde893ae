"""Kinds of values that a key of a configuration takes: what is expected, in words, and how a value is read."""

from __future__ import annotations

import ast
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import torch

from ..errors import InputError


@dataclass(frozen=True)
class Kind:
    """Kind of value that a key accepts.

    Attributes:
        expected: description for messages and for the table in the docs.
        read: returns the value that is meant; raises ValueError if there is none.
        is_text: whether the value is a text that must arrive as typed.
        optional: whether None is allowed.
    """

    expected: str
    read: Callable[[Any], Any]
    is_text: bool = False
    optional: bool = False


def optional(kind: Kind) -> Kind:
    """The kind, or None."""
    return replace(kind, optional=True)


def whole(low: int, high: int | None = None) -> Kind:
    """A whole number; ``"4"`` and 4.0 count as one, True and 2.5 do not."""

    def read(value: Any) -> int:
        number = _number(value)
        if number != int(number) or number < low or (high is not None and number > high):
            raise ValueError
        return int(number)

    return Kind(f"a whole number{_bounds(low, high)}", read)


def among(*numbers: int) -> Kind:
    """One of some whole numbers."""

    def read(value: Any) -> int:
        found = whole(min(numbers), max(numbers)).read(value)
        if found not in numbers:
            raise ValueError
        return found

    return Kind(f"one of {', '.join(map(str, numbers))}", read)


def number(low: float | None = None, high: float | None = None, *, above: float | None = None) -> Kind:
    """A finite number; so is the text ``"1e-4"``, which YAML does not read as a number.

    Args:
        low: smallest value.
        high: largest value.
        above: exclusive lower limit, instead of ``low``.
    """

    def read(value: Any) -> float:
        found = _number(value)
        if (low is not None and found < low) or (high is not None and found > high):
            raise ValueError
        if above is not None and found <= above:
            raise ValueError
        return found

    words = f" above {above}" + ("" if high is None else f", at most {high}") if above is not None else ""
    return Kind(f"a number{words or _bounds(low, high)}", read)


def truth() -> Kind:
    """True or False, but not words, 0 or 1."""

    def read(value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    return Kind("True or False", read)


def off() -> Kind:
    """False alone, for a key that is otherwise what it turns off."""

    def read(value: Any) -> bool:
        if value is not False:
            raise ValueError
        return False

    return Kind("False", read)


def text(what: str = "a text") -> Kind:
    """A text; a number becomes its text."""

    def read(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, (str, int, float, os.PathLike)):
            raise ValueError
        return str(value)

    return Kind(what, read, is_text=True)


def choice(*values: str, expected: str | None = None) -> Kind:
    """One of some words, whatever their capitals; ``expected`` lists them with what they mean."""
    by_name = {value.lower(): value for value in values}

    def read(value: Any) -> str:
        if not isinstance(value, str) or value.strip().lower() not in by_name:
            raise ValueError
        return by_name[value.strip().lower()]

    return Kind(expected or f"one of {', '.join(values)}", read, is_text=True)


def several(kind: Kind, what: str, *, length: int | None = None, at_least: int = 0) -> Kind:
    """A list of values of one kind; a single value becomes a list of one.

    Args:
        kind: the kind of each value.
        what: description for messages.
        length: number of values; a single value is repeated this often.
        at_least: smallest number of values.
    """

    def read(value: Any) -> list[Any]:
        found = _list(value)
        if found is None:
            found = [value] * (length or 1)
        if len(found) < at_least or (length is not None and len(found) != length):
            raise ValueError
        return [kind.read(one) for one in found]

    return Kind(what, read, is_text=kind.is_text)


def either(first: Kind, second: Kind) -> Kind:
    """A value of the first kind, else of the second."""

    def read(value: Any) -> Any:
        try:
            return first.read(value)
        except ValueError:
            return second.read(value)

    return Kind(f"{first.expected}, or {second.expected}", read, is_text=first.is_text and second.is_text)


def ordered_pair(kind: Kind, what: str) -> Kind:
    """Two values, the first not above the second."""

    def read(value: Any) -> list[Any]:
        found = several(kind, what, length=2).read(value)
        if found[0] > found[1]:
            raise ValueError
        return found

    return Kind(what, read)


def mapping(what: str = "a mapping, {'key': value}", values: Kind | None = None) -> Kind:
    """A mapping; its values must be of a kind if one is given, except for keys between underscores."""

    def read(value: Any) -> dict[str, Any]:
        found = _literal(value)
        if not isinstance(found, Mapping):
            raise ValueError
        if values is None:
            return dict(found)
        return {key: one if str(key).startswith("_") else values.read(one) for key, one in found.items()}

    return Kind(what, read)


def names() -> Kind:
    """Names by number: a list, or a mapping from numbers."""

    def read(value: Any) -> Any:
        found = _literal(value)
        if isinstance(found, Mapping):
            return {int(key): text().read(name) for key, name in found.items()}
        return several(text(), "").read(found)

    return Kind("a list of names", read)


def device() -> Kind:
    """A device of torch that this machine has."""

    def read(value: Any) -> torch.device:
        try:
            found = torch.device(value)
        except (RuntimeError, TypeError) as error:
            raise ValueError from error
        if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
            raise ValueError
        return found

    return Kind("a device of this machine, such as cpu or cuda:0", read)


def read_fields(component: object, **kinds: Kind) -> None:
    """Check fields of a frozen dataclass in its ``__post_init__``, and set each to the value that is meant.

    Args:
        component: the dataclass's instance.
        kinds: kind of value of each field, by the field's name.

    Raises:
        InputError: names the component, the field, its value and what is expected.
    """
    for field, kind in kinds.items():
        value = getattr(component, field)
        if value is None and kind.optional:
            continue
        try:
            # the only write to the frozen component, before anybody sees it
            object.__setattr__(component, field, kind.read(value))
        except (ValueError, TypeError, OverflowError) as error:
            expected = kind.expected + (" or None" if kind.optional else "")
            raise InputError(f"{field} of {type(component).__name__} is {value!r}; expected {expected}") from error


def _bounds(low: float | None, high: float | None) -> str:
    if low is None:
        return "" if high is None else f" of at most {high}"
    return f" of at least {low}" if high is None else f" from {low} to {high}"


def _number(value: Any) -> float:
    """A finite number, or the text of one; raises ValueError."""
    found = float(value) if isinstance(value, str) else value
    if isinstance(found, bool) or not isinstance(found, Real) or not math.isfinite(found):
        raise ValueError
    return found if isinstance(found, int) else float(found)


def _literal(value: Any) -> Any:
    """The list or mapping that a text spells out in Python syntax, otherwise the value itself."""
    if isinstance(value, str) and value.strip().startswith(("[", "(", "{")):
        try:
            return ast.literal_eval(value.strip())
        except (SyntaxError, ValueError):
            return value
    return value


def _list(value: Any) -> list[Any] | None:
    found = _literal(value)
    return list(found) if isinstance(found, Sequence) and not isinstance(found, str) else None
