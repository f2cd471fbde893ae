"""Features with mean 0 and deviation 1, and constant ones."""

import pytest
import torch
from torch.testing import assert_close

from meddino_components.probing.probes.standardisation import Standardisation


def uneven(n=200, dtype=torch.float32):
    features = torch.randn(n, 5, generator=torch.Generator().manual_seed(0), dtype=dtype)
    features = features * torch.logspace(-2, 2, 5, dtype=dtype) + 3
    features[:, 2] = 0.1
    return features


def test_training_features_get_mean_0_and_deviation_1():
    features = uneven()
    found = Standardisation.of(features)(features)
    varying = [0, 1, 3, 4]
    assert_close(found.mean(0), torch.zeros(5), atol=1e-5, rtol=0)
    assert_close(found[:, varying].std(0, correction=0), torch.ones(4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_of_a_constant_feature_is_not_amplified(dtype):
    features = uneven(n=333, dtype=dtype)
    found = Standardisation.of(features)
    assert found.std[2] == 1
    assert float(found(features)[:, 2].abs().max()) < 1e-6
    assert found.std.dtype == dtype


def test_parts_give_what_all_features_at_once_give():
    features = uneven()
    whole, parts = Standardisation.of(features), Standardisation.of_parts(features.split(7))
    assert_close(parts.mean, whole.mean)
    assert_close(parts.std, whole.std)
    half = features.half()
    assert_close(whole(half), (half.float() - whole.mean) / whole.std)


def test_nothing_to_standardise_by():
    with pytest.raises(ValueError, match="no features"):
        Standardisation.of_parts([])
