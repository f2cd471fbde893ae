"""The augmentation of ``train.json`` against batchgeneratorsv2, nnU-Net's; see `benchmarks/requirements.txt`."""

import sys

import numpy as np
import pytest
import torch
from command_lines import REPOSITORY

pytest.importorskip("batchgeneratorsv2", reason="compares with batchgeneratorsv2, which is not installed")
sys.path.insert(0, str(REPOSITORY / "benchmarks"))
import augmentation_statistics

N = 4000


def test_rates_and_strengths_are_those_of_nnunet():
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    image, _ = augmentation_statistics.example()
    for pair in augmentation_statistics.compared(image[:1]):
        (rate, ours), (peer_rate, peers) = (
            augmentation_statistics.statistics(draw, N) for draw in (pair.ours, pair.peer)
        )
        share = (rate + peer_rate) / 2
        # four standard deviations of the difference of two shares
        assert abs(rate - peer_rate) < 4 * (2 * share * (1 - share) / N) ** 0.5, pair.name
        if pair.parameter:
            span = np.ptp(peers)
            for quantile in (0.1, 0.5, 0.9):
                # that of n uniform numbers has a standard deviation of at most half their range by the root of n
                allowed = 4 * span * 0.5 * (1 / len(ours) + 1 / len(peers)) ** 0.5
                assert abs(np.quantile(ours, quantile) - np.quantile(peers, quantile)) < allowed, pair.name


def test_equal_parameters_give_equal_slices():
    found = augmentation_statistics.largest_differences(*augmentation_statistics.example())
    assert found.pop("labels") < 1e-3
    assert max(found.values()) < 1e-4, found
