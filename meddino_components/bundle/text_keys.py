"""Which keys of a configuration hold a text: a path, a name, an identifier, or a list of these."""

from __future__ import annotations

import ast
import inspect
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from pydoc import locate
from typing import Any

from monai.bundle import ConfigComponent, ConfigExpression
from monai.bundle.reference_resolver import ReferenceResolver
from monai.bundle.utils import ID_REF_KEY, ID_SEP_KEY, MACRO_KEY

from .keys import KEYS


def holds_text(config: Mapping[str, Any], key: str) -> bool:
    """Return whether a key's default shows that its value is text.

    A default that is a text does, an expression does that puts a path together, a reference does where its key does.
    null says nothing: then `keys` does, and the component that takes the key is asked what it takes.

    Args:
        config: before it is resolved.
        key: top-level or nested (``a::b``).
    """
    if key == "bundle_root":
        return True  # found by a component where it is not given
    default = _node(config, key)
    if default is None:
        kind = KEYS.get(key)
        readers = _readers(config, key)
        return (kind is not None and kind.is_text) or any(_takes_text(*reader) for reader in readers)
    if not isinstance(default, str):
        return False
    if ConfigExpression.is_expression(default):
        return _makes_path(default[1:])
    if default.startswith(ID_REF_KEY):
        return holds_text(config, default[1:])
    return not default.startswith(MACRO_KEY)


def is_null(config: Mapping[str, Any], key: str) -> bool:
    """Return whether a key's default is null, directly or by a reference."""
    default = _node(config, key)
    if isinstance(default, str) and default.startswith(ID_REF_KEY):
        return is_null(config, default[1:])
    return default is None


def _node(config: Any, key: str) -> Any:
    for part in key.split(ID_SEP_KEY):
        config = config.get(part) if isinstance(config, Mapping) else None
    return config


def _makes_path(expression: str) -> bool:
    """``@output_dir + '/cache'``: there is a text with a slash in it."""
    tree = ast.parse(ReferenceResolver.id_matcher.sub("key", expression))
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return any(isinstance(value, str) and "/" in value for value in constants)


def _readers(config: Any, key: str, path: str = "") -> Iterator[tuple[Mapping[str, Any], str]]:
    """The components that take a key as an argument, with the argument's name."""
    parent, _, name = key.rpartition(ID_SEP_KEY)
    if isinstance(config, Mapping):
        if ConfigComponent.is_instantiable(config):
            yield from ((config, argument) for argument, value in config.items() if value == ID_REF_KEY + key)
            if parent and path == parent:
                yield config, name
        items: Any = config.items()
    else:
        items = enumerate(config) if isinstance(config, list) else ()
    for one, value in items:
        yield from _readers(value, key, f"{path}{ID_SEP_KEY}{one}" if path else str(one))


def _takes_text(component: Mapping[str, Any], argument: str) -> bool:
    target = ConfigComponent(dict(component)).resolve_module_name()
    found: Any = locate(target) if isinstance(target, str) else None
    try:
        hints = typing.get_type_hints(vars(found)["__init__"] if inspect.isclass(found) else found)
    except (TypeError, NameError, KeyError):
        return False  # a component without annotations, or with some of a package that is not there
    return admits_text(hints.get(argument))


def admits_text(annotation: Any) -> bool:
    """Return whether an annotation allows text or a path but no number."""
    kinds = list(_flat(annotation))
    return any(kind in (str, Path) for kind in kinds) and not any(kind in (int, float) for kind in kinds)


def _flat(annotation: Any) -> Iterator[Any]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for one in typing.get_args(annotation):
            yield from _flat(one)
    elif typing.get_origin(annotation) is typing.Literal:
        yield from (type(value) for value in typing.get_args(annotation))
    else:
        yield annotation
