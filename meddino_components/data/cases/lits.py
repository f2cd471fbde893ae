"""Read LiTS as downloaded: ``volume-0.nii`` and ``segmentation-0.nii``, in any folders below the given one.

Reference: Bilic et al., The Liver Tumor Segmentation Benchmark (LiTS), Medical Image Analysis 84 (2023), 102680.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..volumes.ct_or_mr import Modality
from ..volumes.found_folders import walk
from .dataset_json import Case
from .layout import Layout, Section, no_validation_list
from .paired_files import image_cases, numbered_files, paired_cases

LITS_LABELS: dict[int, str] = {0: "background", 1: "liver", 2: "tumour"}
_IMAGE = re.compile(r"volume-(\d+)\.nii(?:\.gz)?")
_LABEL = re.compile(r"segmentation-(\d+)\.nii(?:\.gz)?")
_TEST = re.compile(r"test-volume-(\d+)\.nii(?:\.gz)?")


def is_lits(root: Path, content: Mapping[str, Any] | None) -> bool:
    """Return whether a folder without dataset.json has volumes and segmentations that are named as in LiTS."""
    if content is not None or not root.is_dir():
        return False
    names = [path.name for _, files in walk(root) for path in files]
    return any(map(_IMAGE.fullmatch, names)) and any(map(_LABEL.fullmatch, names))


def read_lits(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    """List the cases of a section, see `read_datalist`; "test" is the volumes named ``test-volume-0.nii``.

    Raises:
        InputError: the official validation is requested, the folder has no such files, or a volume or a segmentation
            has no counterpart.
    """
    if section == "official_validation":
        raise no_validation_list(root, LITS)
    if section == "test":
        return image_cases(*numbered_files(root, _TEST))
    images, labels = numbered_files(root, _IMAGE, _LABEL)
    if not images and not labels:
        raise InputError(
            f"{root}: has no volume-0.nii and segmentation-0.nii, as LiTS has. Set dataset_dir to the folder of LiTS."
        )
    return paired_cases(root, images, labels, "segmentation-{}.nii")


LITS = Layout(
    name="lits",
    sign="there are files named volume-0.nii and segmentation-0.nii",
    recognises=is_lits,
    read=read_lits,
    labels=lambda root: LITS_LABELS,
    default_labels=LITS_LABELS,
    has_dataset_json=False,
)
