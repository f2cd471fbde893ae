"""Clips and moments by which a volume is normalised."""

import numpy as np
import pytest
import torch
from intensity_volumes import ct, normalize

from meddino_components.data.volumes.intensity_statistics import (
    clip_and_moments,
    even_sample,
    marked_mr_statistics,
    mr_statistics,
)
from meddino_components.errors import InputError


def test_ct_by_the_table_or_by_a_fingerprint():
    voxels = torch.zeros(2, 2)
    assert clip_and_moments(voxels, "ct", "a") == (-1000.0, 1000.0, 65.1084213, 178.0166321)
    fingerprint = {"percentile_00_5": -900.0, "percentile_99_5": 300.0, "mean": 50.0, "std": 100.0}
    assert clip_and_moments(voxels, "ct", "a", fingerprint) == (-900.0, 300.0, 50.0, 100.0)
    voxels = torch.tensor([0.0, 1.0, 3.0, 4.0])
    # of MR by the volume itself, whatever the fingerprint
    assert clip_and_moments(voxels, "mr", "a", fingerprint) == mr_statistics(voxels, "a")


def test_mr_by_what_is_brighter_than_the_mean():
    # the mean is 55: foreground are 60, 70, ..., 100
    voxels = torch.arange(10.0, 101.0, 10.0).view(1, 2, 5)
    low, high, mean, std = mr_statistics(voxels, "a")
    assert low == pytest.approx(10 + 0.005 * 90)
    assert high == pytest.approx(60 + 0.995 * 40)
    clipped = [60, 70, 80, 90, high]
    assert (mean, std) == pytest.approx((np.mean(clipped), np.std(clipped)))


def test_marked_mr_by_what_is_inside():
    channel, inside = torch.tensor([1.0, 2.0, 3.0, 900.0]), torch.tensor([True, True, True, False])
    low, high, mean, std = marked_mr_statistics(channel, inside, "a")
    assert (low, high) == pytest.approx((1.01, 2.99))
    assert (mean, std) == pytest.approx((2.0, np.std([1.01, 2, 2.99])))
    with pytest.raises(InputError, match="a: every voxel is background"):
        marked_mr_statistics(channel, ~inside & inside, "a")


def test_samples_lie_at_even_distances_from_first_to_last():
    array = np.arange(1001, dtype=np.int16).reshape(7, 11, 13).transpose(2, 0, 1)
    assert even_sample(array, 11).tolist() == array.ravel()[::100].tolist()
    whole = even_sample(array, 5000)
    assert (whole.dtype, whole.tolist()) == (np.float64, array.ravel().tolist())


def test_mr_mask_is_refused():
    with pytest.raises(InputError, match="one value"):
        normalize(ct((0, 0, 1, 1)), modality="mr")
