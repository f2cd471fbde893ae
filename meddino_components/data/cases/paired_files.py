"""Pair the images and labels of a data set without a list of cases, by the numbers in the names of its files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import InputError
from ..volumes.found_folders import walk
from .dataset_json import Case


def numbered_files(root: Path, *patterns: re.Pattern[str]) -> list[dict[str, Path]]:
    """Return for each pattern the files below a folder whose whole name matches, by the group of the pattern.

    Raises:
        InputError: two files have the same number, or a folder cannot be listed.
    """
    paths = [path for _, files in walk(root) for path in files]
    return [_by_number(paths, pattern) for pattern in patterns]


def _by_number(paths: Sequence[Path], pattern: re.Pattern[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        if (match := pattern.fullmatch(path.name)) is None:
            continue
        if match[1] in found:
            raise InputError(
                f"{path}: has the same number as {found[match[1]]}; expected each file once. Move one of them away."
            )
        found[match[1]] = path.absolute()
    return found


def paired_cases(root: Path, images: Mapping[str, Path], labels: Mapping[str, Path], label_name: str) -> list[Case]:
    """Return CT cases with ``image``, ``label`` and ``case_id``, the name of the image.

    Args:
        root: folder of the data set, for messages.
        images: files of images by number.
        labels: files of labels by number.
        label_name: form of the names of labels, with ``{}`` for the number, for messages.

    Raises:
        InputError: an image or a label has no counterpart.
    """
    if alone := sorted(set(images) - set(labels)):
        raise InputError(
            f"{images[alone[0]]}: has no label {label_name.format(alone[0])} below {root}; {len(alone)} of "
            f"{len(images)} images have none. Complete the download, or move images without labels away."
        )
    if alone := sorted(set(labels) - set(images)):
        raise InputError(
            f"{labels[alone[0]]}: has no image below {root}; {len(alone)} of {len(labels)} labels have none. Complete "
            "the download, or move labels without images away."
        )
    return [
        case | {"label": str(labels[number])} for number, case in zip(sorted(images), image_cases(images), strict=True)
    ]


def image_cases(images: Mapping[str, Path]) -> list[Case]:
    """Return CT cases without labels; the case id is the name of the image."""
    return [
        {"image": str(path), "case_id": path.name.split(".")[0], "modality": "ct"} for _, path in sorted(images.items())
    ]
