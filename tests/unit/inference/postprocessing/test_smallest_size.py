"""Small components by hand, and by MONAI."""

import numpy as np
import pytest
import torch
from monai.transforms import RemoveSmallObjects
from skimage.measure import label

from meddino_components.errors import InputError
from meddino_components.inference import SmallestSize


def three_parts():
    """Parts of 8, 3 and 1 voxels."""
    mask = np.zeros((8, 5, 4), bool)
    mask[0:2, 0:2, 0:2] = mask[4, 4, 0:3] = mask[7, 0, 0] = True
    return mask


@pytest.mark.parametrize(("volume_ml", "left"), [(0.5, 12), (1.0, 12), (1.5, 11), (3.0, 11), (3.1, 8), (8.1, 0)])
def test_parts_below_the_volume_go(volume_ml, left):
    assert SmallestSize(volume_ml=volume_ml)(three_parts(), 1.0).sum() == left


def test_the_volume_is_in_ml():
    mask = three_parts()
    assert SmallestSize(volume_ml=0.3)(mask, 0.1).sum() == 11  # three voxels of 0.1 ml
    assert SmallestSize(volume_ml=0.3)(mask, 0.15).sum() == 11
    assert SmallestSize(volume_ml=0.3)(mask, 0.3).sum() == 12


@pytest.mark.parametrize("volume_ml", [0, -1, float("nan"), float("inf"), "1", True, None])
def test_what_is_no_volume(volume_ml):
    with pytest.raises(InputError, match=r"volume_ml of SmallestSize is .*; expected a number above 0, in ml"):
        SmallestSize(volume_ml=volume_ml)
    with pytest.raises(InputError, match="connectivity of SmallestSize"):
        SmallestSize(volume_ml=1, connectivity=0)


@pytest.mark.parametrize("connectivity", [1, 2, 3])
def test_as_monai(connectivity):
    mask = np.random.default_rng(connectivity).random((20, 18, 12)) < 0.15
    # without parts of exactly 3 voxels, which scikit-image 0.26 removes and earlier releases keep
    numbers = label(mask, connectivity=connectivity)
    mask &= np.bincount(numbers.ravel())[numbers] != 3
    by_monai = RemoveSmallObjects(min_size=6, connectivity=connectivity, by_measure=True, pixdim=(1, 1, 2))
    expected = by_monai(torch.from_numpy(mask[None].astype(np.uint8)))[0].numpy().astype(bool)
    found = SmallestSize(volume_ml=0.006, connectivity=connectivity)(mask, 0.002)
    assert 0 < found.sum() < mask.sum()
    assert (found == expected).all()
