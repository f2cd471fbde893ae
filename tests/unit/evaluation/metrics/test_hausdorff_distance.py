"""Distances between rods of which one is half as long."""

import pytest
import torch

from meddino_components.errors import InputError
from meddino_components.evaluation import HausdorffDistance


@pytest.mark.parametrize(("percentile", "expected"), [(100, 10.0), (95, 9.1), (50, 1.0)])
def test_half_a_rod(percentile, expected):
    """Of the reference's ten voxels five are 0 mm away, the others 2, 4, 6, 8 and 10 mm."""
    reference, prediction = torch.zeros(2, 12, 3, 3, dtype=torch.bool)
    reference[1:11, 1, 1], prediction[1:6, 1, 1] = True, True
    metric = HausdorffDistance(percentile=percentile)
    assert metric(prediction, reference, (2.0, 1.0, 1.0)) == pytest.approx(expected)


def test_the_name_says_the_percentile():
    assert (HausdorffDistance().name, HausdorffDistance(percentile=100).title) == ("hd95_mm", "HD100")


@pytest.mark.parametrize("percentile", [0, 101])
def test_a_percentile_is_one(percentile):
    with pytest.raises(InputError, match="percentile of HausdorffDistance"):
        HausdorffDistance(percentile=percentile)
