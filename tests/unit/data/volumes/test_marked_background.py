"""Skull-stripped MR: each channel by its own voxels inside the brain, outside nothing changes."""

import numpy as np
import pytest
import torch
from brats_volumes import brain
from monai.data import MetaTensor

from meddino_components.data import NormalizeIntensityByModalityd
from meddino_components.errors import InputError


def normalize(voxels, **settings):
    transform = NormalizeIntensityByModalityd("image", modality="mr", background=0.0, **settings)
    return transform({"image": MetaTensor(torch.as_tensor(voxels, dtype=torch.float32))})["image"]


def four_channels(seed=0):
    images, _ = brain(seed)
    return np.stack([images[name] for name in ("t1", "t1ce", "t2", "flair")]).astype(np.float32)


def test_each_channel_by_its_own_brain():
    voxels = four_channels()
    inside = (voxels != 0).any(0)
    found = normalize(voxels.copy()).numpy()
    assert (found[:, ~inside] == 0).all()
    for raw, channel in zip(voxels, found, strict=True):
        low, high = np.percentile(raw[inside], (0.5, 99.5))
        clipped = raw[inside].clip(low, high)
        np.testing.assert_allclose(channel[inside], (clipped - clipped.mean()) / clipped.std(), rtol=1e-4, atol=1e-4)


def test_units_and_the_size_of_the_air_do_not_matter():
    voxels = four_channels()
    expected = normalize(voxels.copy()).numpy()
    scaled = normalize(voxels * np.array([2, 0.5, 10, 7])[:, None, None, None]).numpy()
    np.testing.assert_allclose(scaled, expected, atol=1e-4)
    padded = normalize(np.pad(voxels, [(0, 0), (9, 9), (9, 9), (0, 0)])).numpy()
    np.testing.assert_allclose(padded[:, 9:-9, 9:-9], expected, atol=1e-5)


def test_a_voxel_dark_in_one_sequence_is_no_background():
    voxels = four_channels()
    place = tuple(np.argwhere((voxels != 0).all(0))[50])
    voxels[(0, *place)] = 0
    assert normalize(voxels)[(0, *place)] < -1


def test_volumes_without_contrast_are_refused():
    with pytest.raises(InputError, match="every voxel is background"):
        normalize(np.zeros((4, 4, 4, 2)))
    flat = four_channels()
    flat[2][flat[2] != 0] = 5
    flat[2][(flat[0] != 0)] = 5
    with pytest.raises(InputError, match="the foreground has only one value"):
        normalize(flat)
    with pytest.raises(InputError, match="given as MR, but intensities reach down to -1000"):
        normalize(four_channels() - 1000)


def z_scored(voxels, channels=range(4)):
    """A copy as some pipelines make it: the whole volume of each sequence, outside and all."""
    copy = voxels.copy()
    for k in channels:
        copy[k] = (voxels[k] - voxels[k].mean()) / voxels[k].std()
    return copy


@pytest.mark.parametrize("channels", [range(4), [1], [0, 3]])
def test_another_constant_outside_is_found_and_said(channels):
    voxels = four_channels()
    expected = normalize(voxels.copy()).numpy()
    with pytest.warns(UserWarning, match="the background has the value"):
        found = normalize(z_scored(voxels, channels)).numpy()
    inside = (voxels != 0).any(0)
    assert (found[:, ~inside] == 0).all()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_padding_with_zeros_round_another_constant_is_outside_too():
    voxels = four_channels()
    expected = normalize(np.pad(voxels, [(0, 0), (3, 3), (3, 3), (0, 0)])).numpy()
    with pytest.warns(UserWarning, match="the background has the value"):
        found = normalize(np.pad(z_scored(voxels), [(0, 0), (3, 3), (3, 3), (0, 0)])).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_head_that_is_not_stripped_is_refused():
    noise = np.random.default_rng(0).normal(0, 5, four_channels().shape)
    with pytest.raises(InputError, match="skull-stripped scans: strip the skull"):
        normalize(four_channels() + noise)
    normalize(four_channels() + noise, check_modality=False)
