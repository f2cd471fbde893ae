"""The largest component by hand, and by MONAI."""

import numpy as np
import pytest
from monai.transforms import KeepLargestConnectedComponent

from meddino_components.errors import InputError
from meddino_components.inference import LargestComponent


def test_the_larger_of_two_parts_is_kept():
    mask = np.zeros((6, 5, 4), bool)
    mask[0:2, 0:2, 0:2] = True
    mask[4, 4, 0:3] = True
    kept = LargestComponent()(mask, 0.001)
    assert kept.sum() == 8
    assert kept[0:2, 0:2, 0:2].all()
    assert mask.sum() == 11  # the given mask stays as it is


def test_one_part_or_none_stays_as_it_is():
    for mask in (np.zeros((3, 3, 3), bool), np.ones((3, 3, 3), bool)):
        assert (LargestComponent()(mask, 0.001) == mask).all()


def test_a_part_that_touches_by_a_corner_belongs_to_it_unless_connectivity_says_otherwise():
    mask = np.zeros((4, 4, 4), bool)
    mask[0:2, 0:2, 0:2] = mask[2, 2, 2] = True
    assert LargestComponent()(mask, 0.001).sum() == 9
    assert LargestComponent(connectivity=1)(mask, 0.001).sum() == 8
    with pytest.raises(InputError, match="connectivity of LargestComponent is 6"):
        LargestComponent(connectivity=6)


@pytest.mark.parametrize("connectivity", [1, 2, 3])
def test_as_monai(connectivity):
    mask = np.random.default_rng(connectivity).random((20, 18, 12)) < 0.2
    expected = KeepLargestConnectedComponent(is_onehot=False, connectivity=connectivity)(mask[None].astype(np.uint8))
    found = LargestComponent(connectivity=connectivity)(mask, 0.001)
    assert 0 < found.sum() < mask.sum()
    assert (found == expected[0].numpy().astype(bool)).all()
