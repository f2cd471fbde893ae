"""Refuse a configuration with keys that nothing reads, or with values that changed on their way here.

MONAI's `run` takes any ``--key value`` and silently adds what is new, so ``--max_epoch 3`` would run with the default.
What a complete configuration runs therefore requires `check_overrides` to have passed, before anything else is made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle.utils import DEFAULT_EXP_MGMT_SETTINGS, EXPR_KEY, ID_REF_KEY, MACRO_KEY

from .. import __file__ as _COMPONENTS
from .. import __version__
from ..errors import InputError
from ..last_line import install_last_line
from ..near_names import near_name
from ..networks import ARCHITECTURE_ARGUMENTS
from .own_files import CHECK_KEY, EXTRA_KEYS_KEY, bundle_folder, entry_points_of_run, read_own_files, resolving_parser
from .references import ENTRY_POINTS, keys_read, walk
from .settings import put_settings, read_settings, read_typed, takes
from .typed_components import check_components
from .typed_text import arguments_of_monai, restore_typed_text, typed_values
from .verbatim import unwrap_all, value_of

_SEPARATOR = "::"
# what MONAI adds itself or with `--tracking`, and what MONAI Label sets in any bundle
_ADMITTED = {"_meta_", "run", "initialize", "finalize", "imports", "bundle_root", "device", "network"}
_ADMITTED |= {"use_click", "displayable_configs", EXTRA_KEYS_KEY, CHECK_KEY}
_ADMITTED |= {key for settings in DEFAULT_EXP_MGMT_SETTINGS.values() for key in settings["configs"]}

# a configuration states those alone that differ from the preset's
_OF_RANDOM_START = {f"random_start{_SEPARATOR}{name}" for name in ARCHITECTURE_ARGUMENTS}
_WORDS = {"true": "True", "false": "False"}


def check_overrides(configuration: str, overlays: Mapping[str, bool]) -> None:
    """Compare the configuration that is being resolved with the bundle's own files.

    A key is admitted where the configuration reads it, see `check_keys`. Below the command line of `monai.bundle`,
    paths and names arrive as typed (`restore_typed_text`), and an `InputError` anywhere is the last line on the screen.

    Args:
        configuration: name of the complete configuration that contains this check.
        overlays: names of the bundle's overlays that were given with it; each overlay adds its own name.

    Raises:
        InputError: a key that nothing reads, with the most similar known key; a component that does not exist; a value
            of another kind than the key takes (`keys`) or its default has; a value that MONAI changed; components of
            another version than the bundle.
    """
    arguments = arguments_of_monai()
    if arguments is not None:
        install_last_line()
    parser = resolving_parser()
    config: dict[str, Any] = dict(parser.get())
    root = bundle_folder(config)
    if root is not None:
        check_components_version(root)
    own = read_own_files(config, configuration, overlays)
    extra = value_of(config.get(EXTRA_KEYS_KEY, []))
    check_keys(
        config,
        own,
        [extra] if isinstance(extra, str) else extra,
        entry_points={*ENTRY_POINTS, *entry_points_of_run()},
        complete=not overlays,
    )
    if own is not None:
        check_components(parser, own)
    as_typed = {key for key, _ in typed_values(arguments or ())}
    put_settings(parser, read_settings(config, own, as_typed))
    if arguments is not None:
        restore_typed_text(parser, own or config, arguments)
        put_settings(parser, read_typed(parser, as_typed))
    unwrap_all(parser)


def check_components_version(bundle_root: str | Path) -> None:
    """Refuse components other than those a bundle was released with.

    A downloaded bundle carries its own, but a process imports `meddino_components` once: a server that runs two bundles
    uses those of the first, and an installed package comes before either.

    Raises:
        InputError: ``configs/metadata.json`` names another version than the one loaded.
    """
    path = Path(bundle_root) / "configs" / "metadata.json"
    # `monai.bundle.load` does not say where the bundle lies
    if not path.is_file():
        return
    metadata = json.loads(path.read_text(encoding="utf-8"))
    expected = metadata.get("meddino_components_version", __version__)
    if expected != __version__:
        raise InputError(
            f"{metadata.get('name')} {metadata.get('version')} ({path}) needs meddino_components {expected}, but "
            f"{__version__} is loaded from {Path(_COMPONENTS).parent}: take the bundle of the same release, or run it "
            "in a process of its own"
        )


def check_keys(
    config: Mapping[str, Any],
    own: Mapping[str, Any] | None,
    extra_keys: Sequence[str] = (),
    *,
    entry_points: set[str] | frozenset[str] = frozenset(ENTRY_POINTS),
    complete: bool = True,
) -> None:
    """Compare a configuration, before it is resolved, with what it was before anything was overridden.

    What is run must read each top-level key. A key that an overlay sets for other configurations may keep its value.
    Each nested key must be in `own`. Lists are not checked, nor values that were no mapping before (such as null), nor
    the arguments of a component whose ``_target_`` was replaced.

    Args:
        config: the configuration with all overrides.
        own: the bundle's files. If they were not found (None), nested keys are not checked, and with an overlay
            neither are top-level keys, because what it sets cannot be distinguished from what was typed.
        extra_keys: further keys that the user admits.
        entry_points: the keys that are run.
        complete: whether no overlay was given.

    Raises:
        InputError: see `check_overrides`.
    """
    admitted = {*extra_keys, *_ADMITTED, *entry_points}
    read = keys_read(config, entry_points) | admitted
    unread = [key for key, value in config.items() if key not in read and not _is_as_before(key, value, own)]
    if own is None:
        known, unknown = read - admitted, unread if complete else []
    else:
        known = {
            key for key in {key for key, _ in walk(own)} | _OF_RANDOM_START if key.partition(_SEPARATOR)[0] in read
        }
        others = [key for key in config if key not in own or key not in read]
        unknown = unread + _unknown_nested(config, own, known | admitted, passed_over=others)
    if unknown:
        raise InputError("; ".join(_explain(key, sorted(known)) for key in unknown))
    for key, value in config.items():
        if not takes(key, value):
            check_kind(key, value, (own or {}).get(key))


def check_kind(key: str, value: Any, default: Any) -> None:
    """Refuse a text where the default is a number or a truth value.

    Raises:
        InputError: names the key, the text and what was expected.
    """
    if not isinstance(value, str) or value.startswith((EXPR_KEY, ID_REF_KEY, MACRO_KEY)):
        return
    if value.lower() in _WORDS and not isinstance(default, str):
        # the command line reads Python's literals: "false" would be a text, and true
        raise InputError(f"'{key}' is the text '{value}': write {_WORDS[value.lower()]}, with a capital")
    if isinstance(default, bool):
        raise InputError(f"'{key}' is '{value}'; expected True or False")
    if isinstance(default, (int, float)):
        raise InputError(f"'{key}' is the text '{value}'; expected a number, such as {default}")


def _is_as_before(key: str, value: Any, own: Mapping[str, Any] | None) -> bool:
    return own is not None and key in own and bool(own[key] == value)


def _unknown_nested(
    config: Mapping[str, Any], own: Mapping[str, Any], known: set[str], passed_over: Sequence[str]
) -> list[str]:
    """Keys below the top level that `own` has not."""
    targets = {key: value for key, value in walk(own) if key.endswith(f"{_SEPARATOR}_target_")}
    # the metadata is no configuration; replaced components take other arguments
    prefixes = [f"{key}{_SEPARATOR}" for key in ("_meta_", *passed_over)]
    unknown = []
    for key, value in walk(config):
        parent, _, name = key.rpartition(_SEPARATOR)
        if any(key.startswith(prefix) for prefix in prefixes):
            continue
        if name == "_target_":
            if targets.get(key) != value:
                prefixes.append(parent + _SEPARATOR)
        elif parent and key not in known and not (name.startswith("_") and name.endswith("_")):
            unknown.append(key)
        elif isinstance(value, Mapping) and not any(one.startswith(key + _SEPARATOR) for one in known):
            prefixes.append(key + _SEPARATOR)
        elif parent:
            check_kind(key, value, None)
    return unknown


def _explain(key: str, known: list[str]) -> str:
    near = near_name(key, [name for name in known if not name.rpartition(_SEPARATOR)[2].startswith("_")])
    hint = f": did you mean '{near}'?" if near else ""
    return f"the configuration reads no key '{key}'{hint} (--extra_keys \"['{key}']\" admits it)"
