"""Match the words after a command with the parameters of its function."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError
from ..near_names import near_name
from .values import is_flag, parse_value, takes_next_word

_SINGLE = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass
class Arguments:
    """The arguments that a command will be called with."""

    named: dict[str, Any] = field(default_factory=dict)
    more: list[Any] = field(default_factory=list)


def match_arguments(command: str, function: Callable[..., Any], words: Sequence[str]) -> Arguments:
    """Read the words after a command.

    ``--name value`` and ``--name=value`` set a parameter by name; words without a name fill the others in order, and so
    does everything after ``--``. ``-n`` is short for the only parameter that starts with n. A flag needs no value,
    ``--no<flag>`` sets it to False; ``-`` within a name counts as ``_``.

    If the function takes any number of words, parameters after them are set by name alone, as in Python.

    Args:
        command: name of the command as typed, for messages.
        function: function that will be called.
        words: words as typed.

    Raises:
        InputError: an option is unknown, lacks its value, is given twice or has a value of the wrong kind; or there are
            too many or too few words.
    """
    signature = _Signature(command, function)
    found = Arguments()
    unnamed: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            unnamed += left
            break
        if word.startswith("-") and (word := signature.long(word)).startswith("--"):
            name, value = signature.option(word, left)
            if name in found.named:
                raise InputError(f"--{name} is given twice: leave one out")
            found.named[name] = value
        else:
            unnamed.append(word)
    signature.place(unnamed, found)
    return found


class _Signature:
    def __init__(self, command: str, function: Callable[..., Any]) -> None:
        self.command = command
        parameters = inspect.signature(function).parameters
        hints = typing.get_type_hints(function)
        self.required = [
            name for name, one in parameters.items() if one.kind in _SINGLE and one.default is inspect.Parameter.empty
        ]
        self.single = {name: hints.get(name, Any) for name, one in parameters.items() if one.kind in _SINGLE}
        kinds = {one.kind: name for name, one in parameters.items()}
        self.any_number = kinds.get(inspect.Parameter.VAR_POSITIONAL)
        self.in_order = [name for name in self.single if not self.any_number or parameters[name].kind is not _SINGLE[1]]
        self.any_option = inspect.Parameter.VAR_KEYWORD in kinds
        self.options = dict(self.single)
        self.hints = hints

    def long(self, word: str) -> str:
        """Expand ``-m ct`` to ``--modality ct`` if only one parameter starts with m, as help lists it; numbers stay."""
        if not re.match("-[A-Za-z]", word):
            return word
        name, equals, text = word[1:].partition("=")
        meant = [one for one in self.single if len(name) == 1 and one[0] == name]
        if len(meant) != 1:
            raise self.unknown(word)
        return f"--{meant[0]}{equals}{text}"

    def option(self, word: str, left: list[str]) -> tuple[str, Any]:
        """Return the name and value that a word starts; if the value follows it, take it from the remaining words."""
        typed, equals, text = word[2:].partition("=")
        name = typed.replace("-", "_")
        if not equals and name not in self.options and name[:2] == "no" and is_flag(self.options.get(name[2:], None)):
            return name[2:], False
        if name not in self.options and not self.any_option:
            raise self.unknown(word.partition("=")[0])
        annotation = self.options.get(name, Any)
        if not equals:
            follows = bool(left) and not left[0].startswith("--")
            if is_flag(annotation) and not (follows and takes_next_word(annotation, left[0])):
                return name, True
            if not follows or re.match("-[A-Za-z]", left[0]):
                raise InputError(f"--{name} has no value: write --{name}=VALUE")
            text = left.pop(0)
        return name, parse_value(f"--{name}", text, annotation)

    def unknown(self, word: str) -> InputError:
        """Return the error for an unknown option."""
        name = word.lstrip("-").replace("-", "_")
        near = near_name(name, self.options)
        near = near or next((one for one in self.options if name and one.startswith(name)), None)
        hint = f"did you mean --{near}? " if near else ""
        return InputError(f"{self.command} has no option {word}: {hint}(see {self.command} --help)")

    def place(self, unnamed: Sequence[str], found: Arguments) -> None:
        """Assign words without a name to the parameters without a value, in order."""
        words = list(unnamed)
        for name in self.in_order:
            if words and name not in found.named:
                found.named[name] = parse_value(name.upper(), words.pop(0), self.single[name])
        if self.any_number is not None:
            kind = self.hints.get(self.any_number, Any)
            found.more = [parse_value(self.any_number.upper(), word, kind) for word in words]
        elif words:
            raise InputError(f"{self.command}: unexpected word '{words[0]}'; quote paths that contain spaces")
        if missing := [name.upper() for name in self.required if name not in found.named]:
            usage = " ".join([self.command, *(name.upper() for name in self.required)])
            raise InputError(f"{self.command} needs {' and '.join(missing)}: {usage} (see {self.command} --help)")
