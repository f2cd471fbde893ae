"""The layouts of data sets that are known, and which one a data set has."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import InputError
from .amos import AMOS
from .brats import BRATS
from .dataset_json import DATASET_JSON, read_dataset_json
from .drawn import DRAWN
from .layout import Layout
from .msd import MSD
from .nnunet_raw import NNUNET_RAW

# the first that recognises a folder is its layout
KNOWN: dict[str, Layout] = {layout.name: layout for layout in (AMOS, NNUNET_RAW, MSD, BRATS, DRAWN)}
LAYOUTS: tuple[str, ...] = tuple(KNOWN)


def find_layout(
    dataset_dir: str | os.PathLike[str] = "", stated: str | None = None, without_data: str | None = None
) -> str:
    """The name of a data set's layout: as it is recognised, which must not contradict what is stated.

    Args:
        dataset_dir: the data set's folder, or a ``.json`` data list.
        stated: the configuration's ``dataset_layout``; None: to be recognised.
        without_data: the layout of a run that is handed its cases, as by MONAI Label, and has no ``dataset_dir``.

    Raises:
        InputError: an unknown layout is stated, or another than is there; none is stated and none recognised.
    """
    if stated is not None and stated not in KNOWN:
        raise InputError(f"dataset_layout is {stated!r}; expected one of {', '.join(LAYOUTS)}.")
    if not os.fspath(dataset_dir):
        chosen = stated or without_data
        if chosen is None:
            raise InputError("dataset_dir is empty: set it to the folder of a data set.")
        return chosen
    root = Path(dataset_dir).expanduser().absolute()
    found = recognised_layout(root)
    if stated is not None:
        if found not in (None, stated) and not _is_beside_another(root, KNOWN[stated]):
            raise InputError(
                f"{root}: dataset_layout is '{stated}', but the folder is of the layout '{found}' "
                f"({KNOWN[found].sign}). Leave dataset_layout out or set it to {found}, or give another dataset_dir."
            )
        return stated
    if found is None:
        # says so itself where dataset.json is missing or broken
        read_dataset_json(root)
        raise InputError(
            f"{root}: the layout is not recognised. State dataset_layout, one of {', '.join(LAYOUTS)} (docs/data.md)."
        )
    return found


def recognised_layout(root: Path) -> str | None:
    """The name of the layout where it is unmistakable."""
    content = read_dataset_json(root) if (root / DATASET_JSON).is_file() else None
    return next((layout.name for layout in KNOWN.values() if layout.recognises(root, content)), None)


def _is_beside_another(root: Path, stated: Layout) -> bool:
    """Whether a folder holds cases of a layout beside the dataset.json of the set that they were made from."""
    return stated.beside_dataset_json and root.is_dir() and stated.recognises(root, None)
