"""Read values of settings by the kinds of `keys`: convert them if the meaning is clear, else refuse them by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.bundle.utils import EXPR_KEY, ID_REF_KEY, MACRO_KEY

from ..errors import InputError
from .keys import COMPONENTS, KEYS
from .verbatim import Verbatim, keep

_EVALUATED = (EXPR_KEY, ID_REF_KEY, MACRO_KEY)
_TARGET = "_target_"
_WORDS = {"true": "True", "false": "False"}
# of the encoder's patches, by which its network divides an image
_PATCH_PX = 16
# set by MONAI Label in any bundle
_OF_SERVERS = {"network"}
_OF_PATCHES = "meddino_components.networks.MedDinoSegmenter"
_EXCERPT = 80


def read_settings(
    config: Mapping[str, Any], own: Mapping[str, Any] | None, as_typed: Collection[str] = ()
) -> dict[str, Any]:
    """The values that readers of top-level keys are to get, where they differ from those that are set.

    Values of the bundle's own files are not checked, nor what MONAI evaluates, nor a component in place of a value.

    Args:
        config: the configuration with all overrides, before it is resolved.
        own: the bundle's files; if they were not found (None), None is allowed for every key.
        as_typed: keys whose texts are put back as they were typed, see `restore_typed_text`.

    Raises:
        InputError: names the key, the value and what is expected.
    """
    found = {}
    for key, value in config.items():
        if own is not None and key in own and own[key] == value and type(own[key]) is type(value):
            continue
        if isinstance(value, Verbatim) or (isinstance(value, str) and value.startswith(_EVALUATED)):
            continue
        if isinstance(value, Mapping) and _TARGET in value:
            continue
        read = _read(key, value, own, as_typed)
        if type(read) is not type(value) or read != value:
            found[key] = read
    _check_patches({**config, **found})
    return found


def read_typed(parser: ConfigParser, keys: Collection[str]) -> dict[str, Any]:
    """`read_settings` for keys that hold texts, after `restore_typed_text` has put back what was typed for them.

    Raises:
        InputError: see `read_settings`.
    """
    typed = {key: parser.ref_resolver.resolved_content.get(key) for key in keys if key in KEYS and KEYS[key].is_text}
    return read_settings({key: value for key, value in typed.items() if isinstance(value, (str, list))}, {})


def takes(key: str, value: Any) -> bool:
    """Return whether a key of `keys` accepts a value, unchanged or converted."""
    try:
        return key in KEYS and KEYS[key].read(value) is not None
    except (ValueError, TypeError, OverflowError):
        return False


def put_settings(parser: ConfigParser, values: Mapping[str, Any]) -> None:
    """Have the readers of each key get its value, and what compares settings see it; the parser must have parsed."""
    for key, value in values.items():
        if not isinstance(value, torch.device):
            parser.get()[key] = value
        keep(parser, key, value)


def _read(key: str, value: Any, own: Mapping[str, Any] | None, as_typed: Collection[str]) -> Any:
    kind = KEYS.get(key)
    is_null = own is None or (key in own and own[key] is None)
    if kind is None:
        is_plain = value is None or isinstance(value, (str, int, float))
        if key in COMPONENTS and is_plain and not (value is None and (is_null or key in _OF_SERVERS)):
            raise InputError(f"'{key}' is {_shown(value)}; expected a component, {{'_target_': ...}}")
        return value
    if value is None and (kind.optional or is_null):
        return value
    if kind.is_text and key in as_typed and not isinstance(value, str):
        return value  # fire took the text for a number
    if isinstance(value, str) and value.lower() in _WORDS and not kind.is_text:
        # the command line reads Python's literals: "false" would be a text, and true
        raise InputError(f"'{key}' is the text '{value}': write {_WORDS[value.lower()]}, with a capital")
    try:
        return kind.read(value)
    except (ValueError, TypeError, OverflowError) as error:
        more = " or None" if kind.optional or (own is not None and is_null) else ""
        raise InputError(f"'{key}' is {_shown(value)}; expected {kind.expected}{more}") from error


def _check_patches(config: Mapping[str, Any]) -> None:
    network, sides = config.get("network_def"), config.get("roi_size")
    if not isinstance(network, Mapping) or network.get(_TARGET) != _OF_PATCHES or not isinstance(sides, list):
        return
    if any(isinstance(side, int) and side % _PATCH_PX for side in sides):
        near = [max(_PATCH_PX, round(side / _PATCH_PX) * _PATCH_PX) for side in sides]
        raise InputError(f"'roi_size' is {sides}; expected multiples of {_PATCH_PX}, such as {near}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}..."
