"""Find out which folders of a data set hold labels, and how its cases are named.

AMOS22, nnU-Net and the Medical Segmentation Decathlon keep images in ``imagesTr``, ``imagesVa`` and ``imagesTs``, and
labels next to them in ``labelsTr``, ``labelsVa`` and ``labelsTs``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from .dataset_json import DATASET_JSON
from .nnunet_raw import FIRST_CHANNEL

_IMAGES = re.compile("images(Tr|Va|Ts)?", re.IGNORECASE)
_LABELS = re.compile("labels(Tr|Va|Ts)?", re.IGNORECASE)


def holds_labels(folder: Path) -> bool:
    """Return whether a folder holds the labels that belong to a neighbouring folder of images."""
    if _LABELS.fullmatch(folder.name) is None:
        return False
    parent = folder.absolute().parent
    return (parent / DATASET_JSON).is_file() or any(
        _IMAGES.fullmatch(other.name) is not None and other.is_dir() for other in parent.iterdir()
    )


def data_sets_of(paths: Sequence[Path]) -> list[tuple[Path, str] | None]:
    """Return for each image the data set's folder and the suffix after the case's name; None outside data sets.

    nnU-Net's ``imagesTs/liver_1_0000.nii.gz`` is the first and only channel of ``liver_1``.
    """
    folders = [path.absolute().parent for path in paths]
    ends = {folder: _end_of_names(folder) for folder in set(folders)}
    return [None if (end := ends[folder]) is None else (folder.parent, end) for folder in folders]


def _end_of_names(folder: Path) -> str | None:
    """Return the suffix of image names after the case's name; None if the folder does not hold images."""
    if _IMAGES.fullmatch(folder.name) is None:
        return None
    try:
        content = json.loads((folder.parent / DATASET_JSON).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    names = [path.name.split(".")[0] for path in folder.iterdir() if not path.name.startswith(".")]
    all_first = bool(names) and all(name.endswith(FIRST_CHANNEL) for name in names)
    if not isinstance(content, dict):
        return FIRST_CHANNEL if all_first else None
    # with several channels, each counts as a scan
    return FIRST_CHANNEL if all_first or len(content.get("channel_names") or ()) == 1 else ""
