"""Find the folder of a bundle and its configurations."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ..errors import InputError
from ..near_names import near_name


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
        InputError: the folder is no bundle's, or has no configuration of such a name.
    """
    folder = Path(bundle) / "configs"
    files = {name: folder / f"{name}.json" for name in names}
    missing = [name for name, file in files.items() if not file.is_file()]
    if not missing:
        return [str(file) for file in files.values()]
    there = sorted(path.stem for path in folder.glob("*.json") if path.name != "metadata.json")
    if not there:
        raise InputError(f"{folder / missing[0]}.json not found: {bundle} is no bundle's folder, give one by --bundle")
    near = near_name(missing[0], there)
    hint = f" Did you mean {near}?" if near else ""
    raise InputError(f"{bundle} has no configuration {missing[0]!r}.{hint} It has {', '.join(there)}")
