"""Share options between functions as a dataclass, while each function still accepts them as separate arguments."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Iterable
from dataclasses import is_dataclass
from typing import Any, TypeVar

Result = TypeVar("Result")
_ARGUMENTS = "\nArgs:\n"


def flattened(function: Callable[..., Result]) -> Callable[..., Result]:
    """Return a function that accepts the fields of its dataclass parameters as separate arguments.

    Arguments without a default come first. A field of two dataclasses is one argument, passed to both. Other parameters
    stay; a function without a dataclass parameter is returned unchanged.

    Args:
        function: function with one or several dataclass parameters, such as ``draw(options: FigureOptions, weights:
            str)``.
    """
    hints = typing.get_type_hints(function)
    signature = inspect.signature(function)
    groups = {name: hints[name] for name in signature.parameters if is_dataclass(hints.get(name))}
    if not groups:
        return function
    fields = {name: inspect.signature(group).parameters for name, group in groups.items()}
    parameters: dict[str, inspect.Parameter] = {}
    for name, parameter in signature.parameters.items():
        for one in fields[name].values() if name in groups else [parameter]:
            parameters.setdefault(one.name, one.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD))
    flat = signature.replace(parameters=required_first(parameters.values(), lambda one: one.default is one.empty))

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Result:
        given = flat.bind(*args, **kwargs).arguments
        made = {
            name: group(**{field: given[field] for field in fields[name] if field in given})
            for name, group in groups.items()
        }
        own = {name: given[name] for name in signature.parameters if name in given and name not in groups}
        return function(**made, **own)

    call.__signature__ = flat  # type: ignore[attr-defined]
    call.__doc__ = merged_docstring(
        inspect.getdoc(function) or "", [inspect.getdoc(one) or "" for one in groups.values()]
    )
    call.__annotations__ = {
        **{field: hint for group in groups.values() for field, hint in typing.get_type_hints(group).items()},
        **{name: hint for name, hint in hints.items() if name not in groups},
    }
    return call


def merged_docstring(text: str, of_options: Iterable[str]) -> str:
    """Append the argument lines of the options' docstrings to those of a function's docstring.

    Args:
        text: docstring of the function, without indentation.
        of_options: docstrings of the dataclasses, without indentation.
    """
    more = [line for docstring in of_options for line in _arguments(docstring)]
    if not more:
        return text
    before, _, after = text.partition(_ARGUMENTS)
    own, end, rest = after.partition("\n\n")
    return "\n".join([f"{before.rstrip()}\n{_ARGUMENTS}{own}".rstrip(), *more]) + end + rest


def _arguments(docstring: str) -> list[str]:
    section = docstring.partition(_ARGUMENTS)[2].partition("\n\n")[0]
    return [line for line in section.splitlines() if line]


Item = TypeVar("Item")


def required_first(items: Iterable[Item], is_required: Callable[[Item], bool]) -> list[Item]:
    """Return the items in order, with required items before the others."""
    listed = list(items)
    return [one for one in listed if is_required(one)] + [one for one in listed if not is_required(one)]
