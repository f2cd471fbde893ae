"""Read a task of the Medical Segmentation Decathlon, with one channel or several in 4D files.

Reference: Antonelli et al., The Medical Segmentation Decathlon, arXiv 2106.05735.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..volumes.ct_or_mr import Modality
from .dataset_json import Case, channels_modality, listed_cases, read_dataset_json, stated_channels
from .layout import Layout, Section, listed_images, no_validation_list, numbered_labels


def is_msd(root: Path, content: Mapping[str, Any] | None) -> bool:
    """Return whether dataset.json states a modality and lists images."""
    return bool(listed_images(content)) and isinstance((content or {}).get("modality"), dict)


def read_msd(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    """List the cases of a section, see `read_datalist`; files with several channels have an item "channels".

    Raises:
        InputError: the official validation is requested; see `listed_cases` and `channels_modality`.
    """
    if section == "official_validation":
        raise no_validation_list(root, MSD)
    channels = read_dataset_json(root).get("modality")
    stated: Case = {"modality": channels_modality(root, channels, modality)}
    names = stated_channels(root, channels)
    if len(names) > 1:
        stated["channels"] = names
    return [case | stated for case in listed_cases(root, "test" if section == "test" else "training")]


MSD = Layout(
    name="msd",
    sign="dataset.json has modality and lists other images than amos_",
    recognises=is_msd,
    read=read_msd,
    labels=numbered_labels,
)
