"""The keys of a configuration: all there are, and those that are reached from what is run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from monai.bundle import ConfigParser
from monai.bundle.reference_resolver import ReferenceResolver
from monai.bundle.utils import ID_SEP_KEY, MACRO_KEY

# what MONAI runs, each by itself
ENTRY_POINTS = ("initialize", "run", "training", "finalize")


def walk(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All keys, nested ones as ``a::b``; a component's _target_ first, so that its arguments are judged after it."""
    for name in sorted(config, key=lambda name: name != "_target_"):
        value = config[name]
        yield f"{prefix}{name}", value
        if isinstance(value, Mapping):
            yield from walk(value, f"{prefix}{name}{ID_SEP_KEY}")


def keys_read(config: Mapping[str, Any], entry_points: Iterable[str] = ENTRY_POINTS) -> set[str]:
    """The top-level keys that resolving the entry points reads, directly or through other keys.

    References (``@a::b``), expressions that hold some, and copies (``%a``) are followed. Of a nested key only what it
    holds itself is looked at, so that a neighbour that nothing uses reads nothing.
    """
    to_visit = [name for name in entry_points if name in config]
    visited: set[str] = set()
    while to_visit:
        path = to_visit.pop()
        if path not in visited:
            visited.add(path)
            to_visit.extend(_references(_node(config, path)))
    return {path.partition(ID_SEP_KEY)[0] for path in visited}


def _node(config: Any, path: str) -> Any:
    for part in path.split(ID_SEP_KEY):
        if isinstance(config, Mapping):
            config = config.get(part)
        elif isinstance(config, list) and part.isdecimal() and int(part) < len(config):
            config = config[int(part)]
        else:
            return None
    return config


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)
    elif isinstance(value, str) and value.startswith(MACRO_KEY):
        file, path = ConfigParser.split_path_id(value[len(MACRO_KEY) :])
        if not file:
            yield path
    elif isinstance(value, str):
        yield from ReferenceResolver.match_refs_pattern(value)
