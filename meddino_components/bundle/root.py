"""Where a bundle and its configurations lie."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ..errors import InputError


def find_bundle_root(name: str) -> str:
    """The folder of the bundle ``name``: the one on ``sys.path``, else the working directory.

    A configuration does not know its own path. ``monai.bundle run`` puts the bundle's folder on ``sys.path``, so a
    bundle run from anywhere finds its weights and writes beside itself; ``monai.bundle.load`` and MONAI Label set
    ``bundle_root`` themselves.
    """
    for entry in (*sys.path, "."):
        metadata = Path(entry) / "configs" / "metadata.json"
        if metadata.is_file() and json.loads(metadata.read_text(encoding="utf-8")).get("name") == name:
            return str(Path(entry).resolve())
    return "."


def config_files(bundle: str | Path, *names: str) -> list[str]:
    """The files of configurations of the bundle in the folder ``bundle``, by name, in the same order.

    Raises:
        InputError: one is missing.
    """
    files = [Path(bundle) / "configs" / f"{name}.json" for name in names]
    if missing := [str(file) for file in files if not file.is_file()]:
        raise InputError(f"{missing[0]} not found: give the folder of a bundle by --bundle")
    return [str(file) for file in files]
