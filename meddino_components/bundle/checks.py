"""Refuse a configuration with keys that nothing reads.

MONAI's `run` takes any ``--key value`` and silently adds what is new, so ``--max_epoch 3`` would run with the default.
The network of a complete configuration therefore requires `check_overrides` to have passed.
"""

from __future__ import annotations

import difflib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from monai.bundle.utils import DEFAULT_EXP_MGMT_SETTINGS

from .. import __file__ as _COMPONENTS
from .. import __version__
from ..errors import InputError

_SEPARATOR = "::"
# what MONAI adds itself or with `--tracking`, and what MONAI Label sets in any bundle
_ADMITTED = {"_meta_", "run", "initialize", "finalize", "imports", "bundle_root", "device", "network"}
_ADMITTED |= {"use_click", "displayable_configs"}
_ADMITTED |= {key for settings in DEFAULT_EXP_MGMT_SETTINGS.values() for key in settings["configs"]}

_WORDS = {"true": "True", "false": "False"}


def list_keys(config: Mapping[str, Any]) -> list[str]:
    """All keys of a configuration, nested ones as ``a::b``, components as ``a::_target_=package.Class``."""
    return [f"{key}={value}" if key.endswith(f"{_SEPARATOR}_target_") else key for key, value in _walk(config)]


def check_overrides(
    known_keys: Sequence[str], extra_keys: Sequence[str] = (), bundle_root: str | Path | None = None
) -> None:
    """Compare the configuration that is being resolved with the keys and the components it was built with.

    Args:
        known_keys: what `list_keys` found when it was built.
        extra_keys: further keys that the user admits.
        bundle_root: the bundle's folder, see `check_components_version`.

    Raises:
        InputError: names each unknown key and the known one most like it; the components are of another version.
    """
    if bundle_root is not None:
        check_components_version(bundle_root)
    check_keys(_configuration_being_resolved(), known_keys, extra_keys)


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


def _configuration_being_resolved() -> Mapping[str, Any]:
    """The configuration of the `ConfigParser` that is instantiating this component.

    A component is handed no view of the configuration it stands in: the macro ``%`` copies it, but then the copy is
    instantiated, too, and runs. So it is taken from the parser that is calling.
    """
    frame = inspect.currentframe()
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, ConfigParser):
            return dict(caller.config)
        frame = frame.f_back
    raise RuntimeError("check_overrides works as a component of a MONAI configuration only")


def check_keys(config: Mapping[str, Any], known_keys: Sequence[str], extra_keys: Sequence[str] = ()) -> None:
    """Compare the keys of a configuration, before it is resolved, with those it was built with.

    Lists are not looked into, nor values that were no mapping when it was built (such as null), nor the arguments of a
    component whose ``_target_`` was replaced.

    Raises:
        InputError: see `check_overrides`.
    """
    known = {key.partition("=")[0] for key in known_keys} | set(extra_keys) | _ADMITTED
    targets = set(known_keys)
    # the metadata is no configuration; replaced components take other arguments
    passed_over = [f"_meta_{_SEPARATOR}"]
    unknown = []
    for key, value in _walk(config):
        if any(key.startswith(prefix) for prefix in passed_over):
            continue
        parent, _, name = key.rpartition(_SEPARATOR)
        if name == "_target_":
            if f"{key}={value}" not in targets:
                passed_over.append(parent + _SEPARATOR)
        elif key not in known and not (name.startswith("_") and name.endswith("_")):
            unknown.append(key)
        elif isinstance(value, Mapping) and not any(name.startswith(key + _SEPARATOR) for name in known):
            passed_over.append(key + _SEPARATOR)
        elif isinstance(value, str) and value.lower() in _WORDS:
            # the command line reads Python's literals: "false" would be a text, and true
            raise InputError(f"'{key}' is the text '{value}': write {_WORDS[value.lower()]}, with a capital")
    if unknown:
        raise InputError("; ".join(_explain(key, sorted(known)) for key in unknown))


def _explain(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"the configuration has no key '{key}': {hint}(--extra_keys \"['{key}']\" admits it)"


def _walk(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    # a component's _target_ comes first, so that its arguments are judged after it
    for name in sorted(config, key=lambda name: name != "_target_"):
        value = config[name]
        yield f"{prefix}{name}", value
        if isinstance(value, Mapping):
            yield from _walk(value, f"{prefix}{name}{_SEPARATOR}")
