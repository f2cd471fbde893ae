"""Turn the words of a command line into a call by fire."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import fire
from fire.decorators import SetParseFn

from ..errors import InputError
from ..near_names import near_name
from .arguments import Arguments, match_arguments
from .command import Command

_HELP = ("--help", "-h")


def dispatch(
    commands: Mapping[str, Any],
    words: Sequence[str],
    *,
    name: str,
    serialize: Callable[[Any], Any],
) -> Any:
    """Let fire call a command or print its help, once its signature has checked the words.

    Args:
        commands: functions by name; a mapping is a group of them. A `Command` is imported only when it is called.
        words: words as typed, without the program's name.
        name: name of the program, for help.
        serialize: function that turns a result into what is printed.

    Returns:
        The command's result.

    Raises:
        InputError: the command does not exist, or see `match_arguments`; nothing was called.
    """
    path, command, left = _find(commands, words)
    before_separator = left[: left.index("--")] if "--" in left else left
    if isinstance(command, Mapping) or any(word in _HELP for word in before_separator):
        help_words = [*path, "--", "--help"] if left else path
        return fire.Fire(_described(commands), command=help_words, name=name, serialize=serialize)
    if isinstance(command, Command):
        command = command.load()
    arguments = match_arguments(" ".join(path), command, left)
    ready, tokens = _tokens(command, arguments)
    return fire.Fire(_nested(path, ready), command=[*path, *tokens], name=name, serialize=serialize)


def _described(node: Any) -> Any:
    """Return the objects from which fire reads help."""
    if isinstance(node, Mapping):
        return {name: _described(below) for name, below in node.items()}
    return node.described() if isinstance(node, Command) else node


def _find(commands: Mapping[str, Any], words: Sequence[str]) -> tuple[list[str], Any, list[str]]:
    path: list[str] = []
    node: Any = commands
    left = list(words)
    while isinstance(node, Mapping) and left and left[0] not in _HELP:
        word = left.pop(0)
        if word not in node:
            near = near_name(word.lstrip("-"), node)
            hint = f"did you mean {near}? " if near else ""
            group = f"{' '.join(path)} has " if path else "there is "
            raise InputError(f"{group}no command '{word}': {hint}(commands: {', '.join(node)})")
        path.append(word)
        node = node[word]
    return path, node, left


def _tokens(command: Callable[..., Any], arguments: Arguments) -> tuple[Callable[..., Any], list[str]]:
    """Return the command with its values by number, and the numbers as words: fire never parses what the user typed."""
    values = [*arguments.named.values(), *arguments.more]

    @functools.wraps(command)
    def ready(*positional: Any, **named: Any) -> Any:
        return command(*positional, **named)

    SetParseFn(lambda token: values[int(token)])(ready)
    tokens = [f"--{name}={number}" for number, name in enumerate(arguments.named)]
    return ready, [*tokens, *map(str, range(len(arguments.named), len(values)))]


def _nested(path: Sequence[str], command: Callable[..., Any]) -> dict[str, Any]:
    tree: Any = command
    for word in reversed(path):
        tree = {word: tree}
    return dict(tree)
