"""Which bundle runs weights: the one that their record names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from ..inference.model import paths_of
from ..inference.model_settings import record_of
from .shipped import find_bundle, name_of, named_bundle

DEFAULT_BUNDLE = "meddinov3_seg_amos"


def choose_bundle(
    bundle: str | os.PathLike[str] | None, model: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None
) -> Path:
    """Find the folder of the bundle to run.

    Args:
        bundle: folder or name; None for the bundle that the record of ``model`` names, otherwise `DEFAULT_BUNDLE`. With
            several weights, a typed bundle may be another than the records name.
        model: weights, or those of several networks; None for the bundle's own.

    Raises:
        InputError: the records name another bundle than the one typed, or two; or the bundle is not found.
    """
    models = [] if model is None else paths_of(model)
    recorded = {os.fspath(one): record.bundle for one in models if (record := record_of(one)) and record.bundle}
    if bundle is None:
        if len(set(recorded.values())) > 1:
            stated = ", ".join(f"{name} ({path})" for path, name in recorded.items())
            raise InputError(f"the weights name different bundles, {stated}; expected one: choose it by --bundle")
        return find_bundle(next(iter(recorded.values()), DEFAULT_BUNDLE))
    root = named_bundle(bundle)
    for path, name in recorded.items() if len(models) == 1 else ():
        if name_of(root) not in (None, name):
            raise InputError(
                f"{path}: its record names bundle {name}, but --bundle is {root} ({name_of(root)}): leave --bundle out"
            )
    return root
