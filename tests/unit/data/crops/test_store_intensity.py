"""Normalisation of stored values by the project's table."""

import numpy as np
import pytest
import torch
from slices_in_memory import SlicesInMemory, random_store
from torch.testing import assert_close

from meddino_components.data.crops.store_intensity import StoreIntensity
from meddino_components.data.volumes.intensity import NormalizeIntensityByModalityd
from meddino_components.data.volumes.intensity_statistics import mr_statistics
from meddino_components.errors import InputError


def normalized(values, rule):
    return (torch.as_tensor(values, dtype=torch.float32).clamp(rule.low, rule.high) - rule.mean) / rule.std


def test_ct_is_normalised_as_elsewhere():
    stored = np.array([[[-2000, -1000], [65, 3000]]], np.int16)
    rule = StoreIntensity(store=SlicesInMemory([stored]))(0)
    transform = NormalizeIntensityByModalityd("image", modality="ct")
    expected = transform({"image": torch.from_numpy(stored.astype(np.float32))})["image"]
    assert_close(normalized(stored, rule), expected)


def test_scale_and_offset_of_the_stored_values_count():
    rule = StoreIntensity(store=random_store(scale=0.5, offset=-100.0))(2)
    stored = np.array([-3000, 0, 500, 5000], np.float32)
    hu = np.clip(stored * 0.5 - 100, -1000, 1000)
    assert_close(normalized(stored, rule), torch.from_numpy((hu - 65.1084213) / 178.0166321).float())


def test_mr_is_normalised_by_its_volume():
    rng = np.random.default_rng(0)
    volumes = [(factor * rng.gamma(2.0, 100.0, (5, 40, 30))).astype(np.int16) for factor in (1, 7)]
    store = SlicesInMemory(volumes, modality="mr", scale=0.25, offset=3.0)
    intensity = StoreIntensity(store=store)
    for index, volume in ((1, volumes[0]), (7, volumes[1])):
        low, high, mean, std = mr_statistics(torch.from_numpy(volume * 0.25 + 3.0), "volume")
        expected = (np.clip(volume * 0.25 + 3.0, low, high) - mean) / std
        assert_close(normalized(volume, intensity(index)), torch.from_numpy(expected).float(), atol=1e-4, rtol=0)
    n_read = store.n_read
    assert intensity(9) == intensity(5)
    assert store.n_read == n_read  # once a volume


def test_mr_without_contrast_is_refused():
    store = SlicesInMemory([np.full((2, 8, 8), 7, np.int16)], modality="mr")
    with pytest.raises(InputError, match="set/case_0: all voxels have the same value"):
        StoreIntensity(store=store)(0)
