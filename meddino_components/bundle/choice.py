"""Which bundle runs weights: the one that their record names."""

from __future__ import annotations

import json
import os
from pathlib import Path

from .. import __file__ as _COMPONENTS
from ..errors import InputError
from ..inference.model_settings import record_of

DEFAULT_BUNDLE = "meddinov3_seg_amos"


def choose_bundle(bundle: str | os.PathLike[str] | None, model: str | os.PathLike[str] | None) -> Path:
    """The folder of the bundle to run.

    Args:
        bundle: as typed; None takes the one that the record of ``model`` names, and else `DEFAULT_BUNDLE`.
        model: weights; None for the bundle's own.

    Raises:
        InputError: the typed bundle is another than the record's, or the bundle is not found.
    """
    record = None if model is None else record_of(model)
    recorded = None if record is None else record.bundle
    if bundle is None:
        return find_bundle(recorded or DEFAULT_BUNDLE)
    root = Path(bundle)
    if recorded is not None and _name_of(root) not in (None, recorded):
        raise InputError(
            f"{model}: its record says bundle {recorded}, and --bundle {root} ({_name_of(root)}) is set. Leave it out, "
            "the weights know it"
        )
    return root


def find_bundle(name: str) -> Path:
    """The folder of a bundle by name: in ``bundles`` of the working directory or beside the components.

    Raises:
        InputError: it is in none of these.
    """
    beside = Path(_COMPONENTS).resolve().parents[1]
    places = [Path("bundles") / name, Path(name), beside / "bundles" / name, beside]
    for place in places:
        if _name_of(place) == name:
            return place
    raise InputError(f"bundle {name}: not in {Path('bundles').absolute()}, nor beside the components: give --bundle")


def _name_of(root: Path) -> str | None:
    metadata = root / "configs" / "metadata.json"
    if not metadata.is_file():
        return None
    name: str | None = json.loads(metadata.read_text(encoding="utf-8")).get("name")
    return name
