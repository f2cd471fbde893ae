"""Voxels and millilitres of organs and regions, and those that the scan cuts off."""

from __future__ import annotations

import numpy as np
import pytest

from meddino_components.data import brats_regions
from meddino_components.inference.label_volumes import count_labels, names_at_edge, organ_volumes, region_volumes

# a turned grid whose voxels have 2 x 3 x 5 mm: 0.03 ml
AFFINE = np.array([[0, -3.0, 0, 7], [2.0, 0, 0, 8], [0, 0, 5.0, 9], [0, 0, 0, 1]])
REGIONS = brats_regions("brats2021")


def label_map() -> np.ndarray:
    labels = np.zeros((6, 7, 8), np.uint8)
    labels[1:5, 1:6, 1:7] = 2
    labels[2:4, 2:4, 2:5] = 1
    labels[3, 3, 3] = 4
    return labels


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_every_voxel_is_counted_once_in_any_layout(order: tuple[int, int, int]) -> None:
    counts = count_labels(label_map().transpose(order)[::-1])
    assert (counts.shape, counts.dtype, counts.sum()) == ((256,), np.int64, 6 * 7 * 8)
    assert {int(label): int(counts[label]) for label in np.flatnonzero(counts)} == {0: 216, 1: 11, 2: 108, 4: 1}


def test_organs_are_in_the_order_of_their_labels_with_those_that_nobody_named() -> None:
    found = organ_volumes(count_labels(label_map()), AFFINE, {0: "background", 5: "absent", 2: "liver", 1: "spleen"})
    assert list(found.items()) == [
        ("spleen", {"label": 1, "voxels": 11, "volume_ml": 0.33}),
        ("liver", {"label": 2, "voxels": 108, "volume_ml": 3.24}),
        ("label_4", {"label": 4, "voxels": 1, "volume_ml": 0.03}),
        ("absent", {"label": 5, "voxels": 0, "volume_ml": 0.0}),
    ]


def test_a_region_has_the_voxels_of_all_its_labels() -> None:
    assert region_volumes(count_labels(label_map()), AFFINE, REGIONS) == {
        "whole tumour": {"labels": [1, 2, 4], "voxels": 120, "volume_ml": 3.6},
        "tumour core": {"labels": [1, 4], "voxels": 12, "volume_ml": 0.36},
        "enhancing tumour": {"labels": [4], "voxels": 1, "volume_ml": 0.03},
    }


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("end", [0, -1])
def test_what_reaches_a_face_of_the_scan(axis: int, end: int) -> None:
    labels, names = label_map(), dict(REGIONS.label_names)
    assert names_at_edge(labels, names, REGIONS) == []
    place = [3, 3, 3]
    place[axis] = end
    labels[tuple(place)] = 1
    assert names_at_edge(labels, names, REGIONS) == [names[1], "whole tumour", "tumour core"]
    labels[tuple(place)] = 9
    assert names_at_edge(labels, names) == ["label_9"]
