"""Read BTCV (Synapse, "Beyond the Cranial Vault") as downloaded: ``RawData/Training`` with ``img`` and ``label``.

Reference: Landman et al., MICCAI Multi-Atlas Labeling Beyond the Cranial Vault, 2015, doi 10.7303/syn3193805.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..volumes.ct_or_mr import Modality
from .dataset_json import Case
from .layout import Layout, Section, no_validation_list
from .paired_files import image_cases, numbered_files, paired_cases

BTCV_LABELS: dict[int, str] = {
    0: "background",
    1: "spleen",
    2: "right kidney",
    3: "left kidney",
    4: "gallbladder",
    5: "esophagus",
    6: "liver",
    7: "stomach",
    8: "aorta",
    9: "inferior vena cava",
    10: "portal vein and splenic vein",
    11: "pancreas",
    12: "right adrenal gland",
    13: "left adrenal gland",
}
_IMAGE = re.compile(r"img(\d+)\.nii(?:\.gz)?")
_LABEL = re.compile(r"label(\d+)\.nii(?:\.gz)?")
# the archive has RawData in a folder Abdomen; users give any of the three
_PLACES = ("", "RawData", "Abdomen/RawData")


def is_btcv(root: Path, content: Mapping[str, Any] | None) -> bool:
    """Return whether a folder without dataset.json has Training/img and Training/label with files named as in BTCV."""
    raw = _raw_data(root) if content is None else None
    return raw is not None and any(_IMAGE.fullmatch(path.name) for path in (raw / "Training" / "img").iterdir())


def read_btcv(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    """List the cases of a section, see `read_datalist`; "test" is the images in ``Testing``.

    Raises:
        InputError: the official validation is requested, the folders are missing, or an image or a label has no
            counterpart.
    """
    if section == "official_validation":
        raise no_validation_list(root, BTCV)
    raw = _raw_data(root)
    if raw is None:
        raise InputError(
            f"{root}: has no RawData/Training with the folders img and label, as BTCV has. Set dataset_dir to the "
            "folder that holds RawData."
        )
    if section == "test":
        testing = raw / "Testing" / "img"
        return image_cases(*numbered_files(testing, _IMAGE)) if testing.is_dir() else []
    (images,) = numbered_files(raw / "Training" / "img", _IMAGE)
    (labels,) = numbered_files(raw / "Training" / "label", _LABEL)
    return paired_cases(root, images, labels, "label{}.nii.gz")


def _raw_data(root: Path) -> Path | None:
    """Return the folder with Training/img and Training/label."""
    places = (root / place for place in _PLACES)
    return next((raw for raw in places if all((raw / "Training" / part).is_dir() for part in ("img", "label"))), None)


BTCV = Layout(
    name="btcv",
    sign="there are Training/img and Training/label with files named img0001",
    recognises=is_btcv,
    read=read_btcv,
    labels=lambda root: BTCV_LABELS,
    default_labels=BTCV_LABELS,
    has_dataset_json=False,
)
