"""Batches of crops with masks of (seed, iteration)."""

import pytest
import torch
from slices_in_memory import random_store

from meddino_components import processes
from meddino_components.data.crops.crop_collate import CropCollate
from meddino_components.data.crops.multi_crop import MultiCropDataset


def samples(first=0, n=4, **settings):
    sizes = {"global_crops_size": 32, "local_crops_size": 16, "n_local_crops": 1}
    data = MultiCropDataset(store=random_store(), **sizes | settings)
    return [data[first + i] for i in range(n)]


def masks(first=0, n=4, **settings):
    return CropCollate(patch_size=8, **settings)(samples(first, n))["masks"]


def on_rank(monkeypatch, rank, size):
    monkeypatch.setattr(processes.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(processes.dist, "get_rank", lambda: rank)
    monkeypatch.setattr(processes.dist, "get_world_size", lambda: size)


def test_what_a_batch_holds():
    batch = CropCollate(patch_size=8)(samples())
    assert batch["global_crops"].shape == (8, 1, 32, 32)
    assert batch["local_crops"].shape == (4, 1, 16, 16)
    assert batch["masks"].shape == (8, 16)
    assert batch["n_global_crops"] == 2
    assert "index" not in batch


def test_masks_depend_on_seed_and_iteration():
    assert torch.equal(masks(), masks())
    assert not torch.equal(masks(), masks(first=4))
    assert not torch.equal(masks(), masks(seed=1))
    # the same counts every time
    assert sorted(masks().sum(1).tolist()) == sorted(masks(first=4).sum(1).tolist())


def test_masks_of_each_process_alone(monkeypatch):
    on_rank(monkeypatch, 0, 2)
    first, shared = masks(n=2, masks_per_process=True), masks(n=2)
    on_rank(monkeypatch, 1, 2)
    second = masks(first=2, n=2, masks_per_process=True)
    assert not torch.equal(first, second)
    # the official statistics hold in each process: half the images are masked
    assert first.any(1).sum() == second.any(1).sum() == 2
    assert not torch.equal(first, shared)


def test_refuses_crops_that_are_no_whole_patches():
    with pytest.raises(ValueError, match="32 pixels cannot be cut into patches of 14"):
        CropCollate(patch_size=14)(samples())
