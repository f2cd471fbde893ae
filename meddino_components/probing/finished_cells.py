"""Results of finished cells of a table on disk, so that an interrupted run does not compute them again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ..files import AtomicFiles, write_text

_NAME = "cell.json"


def cell_identity(asked: object) -> str:
    """A hash that changes with everything in ``asked``: plain data, and objects whose text identifies them."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def cell_folder(*names: str) -> str:
    """A readable folder name that no other names lead to: ``a/b`` and ``a_b`` get different ones.

    It does not depend on the cell's identity, so that a cell whose identity changed replaces the earlier one.
    """
    digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()[:8]
    return f"{'__'.join(names)}__{digest}".replace("/", "_").replace(" ", "_")


def finished_cell(place: Path, identity: str) -> Any:
    """The result that `finish_cell` wrote for this identity; None if the cell is unfinished or has another identity."""
    path = place / _NAME
    if not path.is_file():
        return None
    written = json.loads(path.read_text(encoding="utf-8"))
    return written["cell"] if written["identity"] == identity else None


def finish_cell(place: Path, identity: str, cell: Any) -> None:
    """Write a cell's result, which is plain data; call this after all its other files are written."""
    place.mkdir(parents=True, exist_ok=True)
    with AtomicFiles() as files:
        text = json.dumps({"identity": identity, "cell": cell}, indent=2)
        write_text(files.path(place / _NAME), text + "\n")
