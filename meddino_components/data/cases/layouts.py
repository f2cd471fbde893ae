"""List the known layouts, and recognise that of a data set."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import InputError
from .amos import AMOS
from .brats import BRATS
from .btcv import BTCV
from .dataset_json import DATASET_JSON, read_dataset_json
from .drawn import DRAWN
from .joined import joined_layout
from .kits23 import KITS23
from .layout import Layout
from .lits import LITS
from .msd import MSD
from .nnunet_raw import NNUNET_RAW
from .openkbp import OPENKBP
from .totalsegmentator import TOTALSEGMENTATOR

# the first layout that recognises a folder is used
_IN_ORDER = (
    AMOS,
    NNUNET_RAW,
    MSD,
    KITS23,
    LITS,
    BTCV,
    TOTALSEGMENTATOR,
    OPENKBP,
    BRATS,
    DRAWN,
)
KNOWN: dict[str, Layout] = {layout.name: layout for layout in _IN_ORDER}
# reads those of the others
KNOWN["joined"] = joined_layout(lambda root, stated: KNOWN[find_layout(root, stated)])
LAYOUTS: tuple[str, ...] = tuple(KNOWN)


def find_layout(
    dataset_dir: str | os.PathLike[str] = "", stated: str | None = None, without_data: str | None = None
) -> str:
    """Return the name of a data set's layout; the recognised one must match the stated one.

    Args:
        dataset_dir: folder of the data set, or a ``.json`` data list.
        stated: the configuration's ``dataset_layout``; None to recognise it.
        without_data: layout for a run that is given its cases, as by MONAI Label, and has no ``dataset_dir``.

    Raises:
        InputError: the stated layout is unknown or contradicts the folder, or none is stated and none recognised.
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
                f"{root}: dataset_layout is '{stated}', but the folder has the layout '{found}' "
                f"({KNOWN[found].sign}). Omit dataset_layout or set it to {found}, or give another dataset_dir."
            )
        return stated
    if found is None:
        lacking = "" if (root / DATASET_JSON).exists() else f"{root / DATASET_JSON}: no such file; "
        raise InputError(
            f"{lacking}{root}: the layout is not recognised. Set dataset_layout to one of {', '.join(LAYOUTS)} "
            "(docs/data_sets.md), or dataset_dir to the folder of a data set."
        )
    return found


def recognised_layout(root: Path) -> str | None:
    """Return the name of the layout if it is unmistakable."""
    content = read_dataset_json(root) if (root / DATASET_JSON).is_file() else None
    return next((layout.name for layout in KNOWN.values() if layout.recognises(root, content)), None)


def _is_beside_another(root: Path, stated: Layout) -> bool:
    """Return whether a folder has cases of a layout next to the dataset.json of the set they were made from."""
    return stated.beside_dataset_json and (root / DATASET_JSON).is_file() and stated.recognises(root, None)
