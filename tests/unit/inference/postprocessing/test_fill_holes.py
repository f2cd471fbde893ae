"""Holes by hand, and by MONAI."""

import numpy as np
import pytest
from monai.transforms import FillHoles as FillHolesOfMonai

from meddino_components.errors import InputError
from meddino_components.inference import FillHoles


def shell():
    """A cube of 5 voxels with a cavity of 3, away from the edge of the array."""
    mask = np.zeros((7, 7, 7), bool)
    mask[1:6, 1:6, 1:6] = True
    mask[2:5, 2:5, 2:5] = False
    return mask


def test_a_closed_cavity_is_filled():
    filled = FillHoles()(shell(), 0.001)
    assert filled.sum() == 5**3
    assert filled[1:6, 1:6, 1:6].all()


def test_a_cavity_with_an_opening_stays_open():
    mask = shell()
    mask[1, 3, 3] = False
    assert (FillHoles()(mask, 0.001) == mask).all()


def test_a_cavity_at_the_end_of_the_scan_is_open():
    mask = shell()[3:, :, :]
    assert (FillHoles()(mask, 0.001) == mask).all()


def test_an_opening_at_a_corner_counts_only_if_connectivity_says_so():
    mask = shell()
    mask[1, 1, 1] = False
    assert FillHoles()(mask, 0.001).sum() == 5**3 - 1
    assert (FillHoles(connectivity=3)(mask, 0.001) == mask).all()
    with pytest.raises(InputError, match="connectivity of FillHoles is 26"):
        FillHoles(connectivity=26)


@pytest.mark.parametrize("connectivity", [1, 2, 3])
def test_as_monai(connectivity):
    mask = np.random.default_rng(connectivity).random((20, 18, 12)) < (0.75 if connectivity == 1 else 0.97)
    expected = FillHolesOfMonai(applied_labels=1, connectivity=connectivity)(mask[None].astype(np.uint8))
    found = FillHoles(connectivity=connectivity)(mask, 0.001)
    assert found.sum() > mask.sum()
    assert (found == expected[0].numpy().astype(bool)).all()
