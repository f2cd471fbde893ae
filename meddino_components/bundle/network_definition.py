"""Describe how a configuration builds its network, as plain data for the record of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .own_files import resolving_parser

_SEPARATOR = "::"


def network_definition(*, key: str = "network_def") -> dict[str, Any]:
    """``_target_`` and resolved arguments of a component of the configuration that is being resolved.

    A network of others does not say how it was built; the configuration does.

    Args:
        key: key of a component that is made already, for example because another component refers to it.
    """
    parser = resolving_parser()
    component = parser.get(key)
    if not isinstance(component, Mapping):  # a reference, or an expression that makes a network
        return {}
    resolved = parser.ref_resolver.get_resolved_content
    return {
        name: value if name.startswith("_") else resolved(f"{key}{_SEPARATOR}{name}")
        for name, value in component.items()
    }
