"""Which bundle runs weights: the one that their record names."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import InputError
from ..inference.model_settings import record_of
from .shipped import find_bundle, name_of, named_bundle

DEFAULT_BUNDLE = "meddinov3_seg_amos"


def choose_bundle(bundle: str | os.PathLike[str] | None, model: str | os.PathLike[str] | None) -> Path:
    """Find the folder of the bundle to run.

    Args:
        bundle: folder or name; None for the bundle that the record of ``model`` names, otherwise `DEFAULT_BUNDLE`.
        model: weights; None for the bundle's own.

    Raises:
        InputError: the record names another bundle than the one typed, or the bundle is not found.
    """
    record = None if model is None else record_of(model)
    recorded = None if record is None else record.bundle
    if bundle is None:
        return find_bundle(recorded or DEFAULT_BUNDLE)
    root = named_bundle(bundle)
    if recorded is not None and name_of(root) not in (None, recorded):
        raise InputError(
            f"{model}: its record names bundle {recorded}, but --bundle is {root} ({name_of(root)}): leave --bundle out"
        )
    return root
