"""A configuration as its bundle holds it, before anything was overridden: what an override is compared with."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow

from .root import find_bundle_root
from .verbatim import value_of

# the key under which a complete configuration checks itself; an overlay marks itself as given below it
CHECK_KEY = "check"
OVERLAYS_KEY = f"{CHECK_KEY}::overlays"
# further keys that the user admits; read by the check alone
EXTRA_KEYS_KEY = "extra_keys"


def resolving_parser() -> ConfigParser:
    """The `ConfigParser` that is instantiating the component which asks.

    MONAI does not give a component the configuration that contains it: the macro ``%`` copies it, but then the copy is
    instantiated and runs, too. So the configuration is taken from the calling parser.
    """
    for parser in _callers(ConfigParser):
        return parser
    raise RuntimeError("check_overrides works as a component of a MONAI configuration only")


def entry_points_of_run() -> list[str]:
    """The ids that the running workflow was told to run, such as ``training`` of ``monai.bundle run training``."""
    return [name for flow in _callers(ConfigWorkflow) for name in (flow.init_id, flow.run_id, flow.final_id) if name]


def read_own_files(config: Mapping[str, Any], configuration: str, overlays: Iterable[str]) -> dict[str, Any] | None:
    """The files that a configuration says it was read from, merged anew.

    They lie beside the first file that a workflow was given, else in the bundle's folder.

    Args:
        config: the configuration that is being resolved; its ``bundle_root`` is used.
        configuration: name of the complete configuration.
        overlays: names of the bundle's overlays, in the order in which they were given.

    Returns:
        None where they cannot be found: `monai.bundle.load` and a `ConfigParser` of one's own do not say where the
        bundle lies, and a copy may lie anywhere.
    """
    for folder in _folders(config):
        paths = [folder / f"{name}.json" for name in (configuration, *overlays)]
        if all(path.is_file() for path in paths):
            parser = ConfigParser(ConfigParser.load_config_files([str(path) for path in paths]))
            parser.resolve_macro_and_relative_ids()
            return dict(parser.get())
    return None


def bundle_folder(config: Mapping[str, Any]) -> Path | None:
    """Return the folder that ``bundle_root`` states; a typed value is not evaluated."""
    root = value_of(config.get("bundle_root"))
    if isinstance(root, Mapping) and isinstance(root.get("name"), str):
        return Path(find_bundle_root(root["name"]))
    return Path(root) if isinstance(root, str) else None


def _folders(config: Mapping[str, Any]) -> Iterator[Path]:
    for flow in _callers(ConfigWorkflow):
        yield Path(flow.config_root_path)
    root = bundle_folder(config)
    if root is not None:
        yield root / "configs"


def _callers(kind: type) -> Iterator[Any]:
    frame = inspect.currentframe()
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, kind):
            yield caller
        frame = frame.f_back
