"""Check that a typed component exists: MONAI would say so only on line 50 of a traceback."""

from __future__ import annotations

from collections.abc import Mapping
from pydoc import ErrorDuringImport, locate
from typing import Any

from monai.bundle import ConfigComponent, ConfigParser
from monai.bundle.utils import EXPR_KEY, ID_REF_KEY, MACRO_KEY

from ..errors import InputError
from ..near_names import near_name
from .references import walk

_TARGET = "_target_"


def check_components(parser: ConfigParser, own: Mapping[str, Any]) -> None:
    """Refuse a ``_target_`` that differs from the bundle's own and does not exist.

    Args:
        parser: parser of the configuration that is run.
        own: the bundle's own files, merged.

    Raises:
        InputError: names the key, the component and the one most like it.
    """
    before = dict(walk(own))
    for key, target in walk(dict(parser.get())):
        parent, _, name = key.rpartition("::")
        if name != _TARGET or before.get(key) == target or not isinstance(target, str):
            continue
        if target.startswith((EXPR_KEY, ID_REF_KEY, MACRO_KEY)):
            continue
        found = ConfigComponent({_TARGET: target}, id=parent, locator=parser.locator).resolve_module_name()
        if isinstance(found, str) and not _is_there(found):
            near = near_name(target, parser.locator._components_table or ())
            hint = f"did you mean {near}? " if near else ""
            raise InputError(
                f"'{parent}': there is no component {target!r}: {hint}Name one of MONAI's, or module.name of one that "
                "Python can import"
            )


def _is_there(name: str) -> bool:
    try:
        return locate(name) is not None
    except ErrorDuringImport:
        return True  # which says more than that it is missing
