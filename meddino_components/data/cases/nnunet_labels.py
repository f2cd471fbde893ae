"""Read the labels of nnU-Net v2's dataset.json: classes, the label ``ignore``, and nested regions.

Reference:
    nnU-Net, documentation/region_based_training.md and ignore_label.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...ignored_label import IGNORE
from ..volumes.regions import Regions
from .dataset_json import DATASET_JSON, read_dataset_json
from .layout import labels_by_number

# nnU-Net's name for voxels that nobody annotated
IGNORE_NAME = "ignore"


def named_labels(root: Path) -> dict[int, str] | None:
    """Return the names of classes by number, without ``ignore``.

    Raises:
        InputError: see `labels_by_number`; or the data set has regions, which are no classes.
    """
    content = read_dataset_json(root)
    labels = content.get("labels")
    if labels is None:
        return None
    if "regions_class_order" in content:
        raise InputError(
            f"{root / DATASET_JSON}: has regions_class_order, so its labels form regions that overlap; expected "
            "exclusive classes here. Train a bundle with regions: meddinov3_seg_kits23 with --label_convention "
            "data_set, or one that new_bundle makes with --like meddinov3_seg_kits23."
        )
    return labels_by_number(root, _without_ignore(labels), number_first=False)


def ignored_values(root: Path, labels: Any) -> dict[int, int]:
    """Return {number of ``ignore``: number of voxels that nobody annotated}; empty without ``ignore``.

    Raises:
        InputError: ``ignore`` is not the highest label, as nnU-Net requires.
    """
    if not isinstance(labels, Mapping) or IGNORE_NAME not in labels:
        return {}
    number = labels[IGNORE_NAME]
    others = [one for name, value in labels.items() if name != IGNORE_NAME for one in _numbers(value)]
    if not isinstance(number, int) or number != max(others, default=0) + 1:
        raise InputError(
            f"{root / DATASET_JSON}: '{IGNORE_NAME}' is {number!r}; expected {max(others, default=0) + 1}, one more "
            f"than the other labels. Correct 'labels'."
        )
    return {number: IGNORE}


def nested_regions(root: Path) -> Regions | None:
    """Return the regions of a data set with ``regions_class_order``; None for exclusive classes.

    nnU-Net writes the regions one after another, each with its number in ``regions_class_order`` over those before.
    Here they have to be nested, so that each voxel has one innermost region.

    Raises:
        InputError: ``labels`` or ``regions_class_order`` is not as nnU-Net writes it, the regions are not nested from
            the first to the last, or a region does not contain the label that is written for it.
    """
    path, content = root / DATASET_JSON, read_dataset_json(root)
    order, labels = content.get("regions_class_order"), content.get("labels")
    if order is None:
        return None
    found = _without_ignore(labels) if isinstance(labels, Mapping) else {}
    regions = {str(name): _numbers(value) for name, value in found.items() if _numbers(value) != [0]}
    if not regions or not all(regions.values()) or not isinstance(order, list) or len(order) != len(regions):
        raise InputError(
            f"{path}: labels {labels!r:.200} and regions_class_order {order!r:.100} do not match; expected for each "
            f"region the list of its labels, and one number in regions_class_order."
        )
    members = list(regions.values())
    try:
        return Regions(
            convention=f"{root.name}/{DATASET_JSON}",
            label_names=tuple(_label_names(regions).items()),
            names=tuple(regions),
            members=tuple(tuple(sorted(labels)) for labels in members),
            written=tuple(int(number) for number in order),
            note=f"Correct the label map, or 'labels' of {path}",
        )
    except (ValueError, TypeError) as error:
        shown = ", ".join(f"{name} {labels}" for name, labels in regions.items())
        raise InputError(
            f"{path}: the regions are {shown} and regions_class_order is {order}; expected each region inside the one "
            f"before it, and in regions_class_order a label of each region that the next one lacks. Reorder 'labels', "
            f"or train on regions that are nested."
        ) from error


def _without_ignore(labels: Any) -> Any:
    if not isinstance(labels, Mapping):
        return labels
    return {name: value for name, value in labels.items() if name != IGNORE_NAME}


def _numbers(value: Any) -> list[int]:
    """Return the labels of a region, or of a class; none if they are not whole numbers."""
    numbers = value if isinstance(value, list) else [value]
    whole = all(isinstance(number, int) and not isinstance(number, bool) for number in numbers)
    return list(numbers) if whole else []


def _label_names(regions: Mapping[str, list[int]]) -> dict[int, str]:
    """Name each label after the innermost region that contains it, with its number if others share that region."""
    of_label: dict[int, str] = {}
    for name, labels in regions.items():
        of_label |= dict.fromkeys(labels, name)
    innermost = list(regions)[-1]
    names: dict[int, str] = {}
    for label, region in sorted(of_label.items()):
        name = region if region == innermost else f"rest of {region}"
        shared = sum(other == region for other in of_label.values()) > 1
        names[label] = f"{name} ({label})" if shared else name
    return names
