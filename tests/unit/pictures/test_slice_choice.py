"""Slices chosen from areas counted by hand."""

import numpy as np
import pytest

from meddino_components.pictures.slice_choice import choose_slices, evenly_spaced, label_areas


def test_pixels_by_slice_and_by_row():
    labels = np.zeros((4, 3, 2), np.uint8)
    labels[1, :2, 0], labels[2, 0, 0], labels[3, :, 1] = 1, 1, 255
    per_slice, per_row = label_areas(labels)
    assert (per_slice.shape, per_row.shape) == ((2, 255), (4, 255))
    assert per_slice[:, [0, 254]].tolist() == [[3, 0], [0, 3]]
    assert per_row[:, [0, 254]].tolist() == [[0, 0], [2, 0], [1, 0], [0, 3]]


def test_each_organ_is_shown_at_its_largest():
    areas = np.zeros((9, 2), np.int64)
    areas[1:4, 0], areas[6:9, 1] = [10, 900, 20], [3, 4, 5]
    assert choose_slices(areas, 2) == [2, 8]


def test_what_is_left_is_far_from_what_was_chosen():
    areas = np.zeros((11, 1), np.int64)
    areas[:, 0] = 7  # every slice shows all
    assert choose_slices(areas, 3) == [0, 5, 8]


def test_without_labels_slices_spread():
    chosen = choose_slices(np.zeros((10, 3), np.int64), 4)
    assert len(set(chosen)) == 4
    assert max(np.diff(chosen)) <= 4


@pytest.mark.parametrize(("n", "expected"), [(1, [5]), (2, [2, 7]), (5, [1, 3, 5, 7, 9]), (30, list(range(10)))])
def test_middles_of_equal_parts(n, expected):
    assert evenly_spaced(10, n) == expected
