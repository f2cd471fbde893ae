"""Convert a word of the command line to the type that an annotation requires.

Strings stay as typed, whatever characters they contain. Numbers, booleans and choices are read strictly. Lists and
mappings are written as in Python, ``"['a', 'b']"``, if the annotation allows one.
"""

from __future__ import annotations

import ast
import collections.abc
import difflib
import inspect
import math
import os
import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError

_TRUTH = {"True": True, "true": True, "False": False, "false": False}
_BRACKETS = {"[": "]", "(": ")", "{": "}"}
_NAMES = {int: "a whole number", float: "a number", bool: "True or False", type(None): "None"}


def parse_value(option: str, text: str, annotation: Any) -> Any:
    """Read one word.

    Args:
        option: option that the word was given for, for the message.
        text: the word as typed.
        annotation: type annotation of the parameter; may be a union or `Any`.

    Raises:
        InputError: the annotation does not allow this word; the message names the option.
    """
    kinds = kinds_of(annotation)
    if _ANYTHING & set(kinds):
        return _literal(text, text)
    containers = [kind for kind in kinds if _container(kind) is not None]
    if containers and _bracketed(text) and not os.path.lexists(text):
        return _contained(option, text, containers)
    choices = [
        choice for kind in kinds if typing.get_origin(kind) is typing.Literal for choice in typing.get_args(kind)
    ]
    if text in choices:
        return text
    for kind in (bool, type(None), int, float):
        # a path may be named None
        if kind in kinds and not (kind is type(None) and _admits_text(kinds)):
            value = _scalar(text, kind)
            if value is not _NO_VALUE:
                return value
    if _admits_text(kinds):
        return Path(text) if str not in kinds and Path in kinds else text
    if containers and "," in text:
        return _contained(option, text, containers)
    if any(_container(kind) is collections.abc.Sequence and typing.get_args(kind)[:1] == (str,) for kind in containers):
        return [text]
    raise InputError(f"{option} is '{text}'; expected {_described(kinds, choices)}{_close(text, choices)}")


def kinds_of(annotation: Any) -> list[Any]:
    """Return the members of a union, or the annotation itself."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [kind for one in typing.get_args(annotation) for kind in kinds_of(one)]
    return [annotation]


def is_flag(annotation: Any) -> bool:
    """Return whether an option with this annotation may be given without a value."""
    return bool in kinds_of(annotation)


def takes_next_word(annotation: Any, word: str) -> bool:
    """Return whether the word after a flag is its value; for a pure boolean only True or False is."""
    return word in _TRUTH or any(kind not in (bool, type(None)) for kind in kinds_of(annotation))


_ANYTHING = {Any, object, inspect.Parameter.empty}
_NO_VALUE = object()


def _admits_text(kinds: Sequence[Any]) -> bool:
    return str in kinds or Path in kinds


def _container(kind: Any) -> type | None:
    origin = typing.get_origin(kind) or kind
    if not isinstance(origin, type) or issubclass(origin, (str, bytes, Path)):
        return None
    for container in (collections.abc.Mapping, collections.abc.Sequence):
        if issubclass(origin, container):
            return container
    return None


def _bracketed(text: str) -> bool:
    stripped = text.strip()
    return bool(stripped) and _BRACKETS.get(stripped[0]) == stripped[-1]


def _literal(text: str, otherwise: Any) -> Any:
    try:
        return ast.literal_eval(text.strip())
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return otherwise


def _contained(option: str, text: str, kinds: Sequence[Any]) -> Any:
    value = _literal(text, None)
    for kind in kinds:
        if _container(kind) is collections.abc.Mapping and isinstance(value, Mapping):
            return dict(value)
        if _container(kind) is collections.abc.Sequence and isinstance(value, (list, tuple)):
            members = typing.get_args(kind)[:1]
            if not members or all(_is_member(one, kinds_of(members[0])) for one in value):
                return list(value)
    examples = {collections.abc.Mapping: "\"{'name': 'path'}\"", collections.abc.Sequence: _example(kinds)}
    expected = " or ".join(dict.fromkeys(examples[_container(kind)] for kind in kinds))  # type: ignore[index]
    raise InputError(f"{option} is '{text}'; expected {expected} in Python syntax, with strings in quotes")


def _example(kinds: Sequence[Any]) -> str:
    texts = any(member in (str, Path) for kind in kinds for arg in typing.get_args(kind) for member in kinds_of(arg))
    return "\"['a', 'b']\"" if texts else '"[1, 2]"'


def _is_member(value: Any, kinds: Sequence[Any]) -> bool:
    if _ANYTHING & set(kinds) or any(typing.get_origin(kind) is not None for kind in kinds):
        return True
    admitted = tuple((int, float) if kind is float else str if kind is Path else kind for kind in kinds)
    flat = tuple(one for kind in admitted for one in (kind if isinstance(kind, tuple) else (kind,)))
    return isinstance(value, flat) and (not isinstance(value, bool) or bool in flat)


def _scalar(text: str, kind: Any) -> Any:
    if kind is bool:
        return _TRUTH.get(text, _NO_VALUE)
    if kind is int:
        return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else _NO_VALUE
    if kind is float:
        number = re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text)
        return float(text) if number and math.isfinite(float(text)) else _NO_VALUE
    return None if text == "None" else _NO_VALUE


def _described(kinds: Sequence[Any], choices: Sequence[Any]) -> str:
    parts = [", ".join(map(str, choices))] if choices else []
    parts += [_NAMES[kind] for kind in kinds if kind in _NAMES and kind is not type(None)]
    if any(_container(kind) is not None for kind in kinds):
        parts.append(f"a list, {_example([kind for kind in kinds if _container(kind) is not None])}")
    return " or ".join(parts)


def _close(text: str, choices: Sequence[Any]) -> str:
    close = difflib.get_close_matches(text, [str(choice) for choice in choices], n=1)
    return f": did you mean {close[0]}?" if close else ""
