"""Measure the organs and regions of a label map, and find those that the scan cuts off."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..data.volumes.regions import Regions


def count_labels(labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count the voxels of each label, [256], slab by slab: bincount of a whole volume would convert it to int64."""
    counts = np.zeros(256, dtype=np.int64)
    for slab in np.moveaxis(labels, int(np.argmax(labels.strides)), 0):
        counts += np.bincount(slab.ravel(), minlength=256)
    return counts


def organ_volumes(
    counts: NDArray[np.int64], affine: NDArray[np.float64], label_names: Mapping[int, str]
) -> dict[str, dict[str, float]]:
    """Return label, voxels and millilitres of each organ by its name, in the order of the labels.

    Args:
        counts: number of voxels of each label, [256], see `count_labels`.
        affine: affine matrix [4, 4] of the label map, in mm.
        label_names: names by label; a label without a name is called ``label_<number>``.
    """
    names = dict(label_names)
    names.update({int(k): f"label_{k}" for k in np.flatnonzero(counts) if int(k) not in names})
    return {
        name: {"label": label, "voxels": int(counts[label]), "volume_ml": _millilitres(int(counts[label]), affine)}
        for label, name in sorted(names.items())
        if label != 0
    }


def region_volumes(
    counts: NDArray[np.int64], affine: NDArray[np.float64], regions: Regions
) -> dict[str, dict[str, list[int] | float]]:
    """Return labels, voxels and millilitres of each region by its name; see `organ_volumes`."""
    voxels = [int(counts[list(labels)].sum()) for labels in regions.members]
    return {
        name: {"labels": list(labels), "voxels": n, "volume_ml": _millilitres(n, affine)}
        for name, labels, n in zip(regions.names, regions.members, voxels, strict=True)
    }


def names_at_edge(
    labels: NDArray[np.uint8], label_names: Mapping[int, str], regions: Regions | None = None
) -> list[str]:
    """Return the names of organs and regions that reach the first or last voxel along an axis.

    The scan ends there, so their volumes may be incomplete.
    """
    faces = (labels[(slice(None),) * axis + (end,)] for axis in range(3) for end in (0, -1))
    found = {int(label) for face in faces for label in np.unique(face)} - {0}
    names = [label_names.get(label, f"label_{label}") for label in sorted(found)]
    nested = () if regions is None else zip(regions.names, regions.members, strict=True)
    return [*names, *(name for name, members in nested if found & set(members))]


def _millilitres(n_voxels: int, affine: NDArray[np.float64]) -> float:
    voxel_ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    return round(n_voxels * voxel_ml, 3)
