"""Where the running bundle lies."""

from __future__ import annotations

import json
import sys
from pathlib import Path


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
