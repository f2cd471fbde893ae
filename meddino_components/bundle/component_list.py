"""``components.json``: the components of this package that the bundles of this project name.

A released bundle may name these and no others of this package (`allowed`).
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import InputError
from ..files import AtomicFiles, write_text
from .build import merge_layers

_PACKAGE = __name__.split(".")[0]
_TARGET = "_target_"


def component_list(bundles: Iterable[Path]) -> list[str]:
    """Every component of this package that a configuration of these bundles names, sorted.

    Raises:
        InputError: the room that a configuration names does not export the component.
    """
    found = {name for bundle in bundles for name in _targets(merge_layers(bundle))}
    ours = sorted(name for name in found if name.startswith(f"{_PACKAGE}."))
    for name in ours:
        room, _, short = name.rpartition(".")
        if not _is_exported(importlib.import_module(room), short):
            raise InputError(f"a configuration names {name}, which {room} does not export: add it to __all__ there")
    return ours


def write_component_list(package: Path, bundles: Iterable[Path]) -> Path:
    """Write the list into the folder of the package, in one step."""
    path = package / "bundle" / "components.json"
    with AtomicFiles() as files:
        write_text(files.path(path), json.dumps(component_list(bundles), indent=1) + "\n")
    return path


def _is_exported(room: ModuleType, name: str) -> bool:
    """Return whether a package lists the name in ``__all__``, or a plain module defines it."""
    if hasattr(room, "__path__"):
        return name in getattr(room, "__all__", ())
    return getattr(getattr(room, name, None), "__module__", None) == room.__name__


def _targets(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get(_TARGET), str):
            yield node[_TARGET]
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)
