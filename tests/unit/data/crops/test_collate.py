"""Samples of several crops to a batch."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from meddino_components.data.crops.collate import collate_crops

MASKING = {"grid": (4, 5), "mask_probability": 0.5, "mask_ratio": (0.1, 0.6)}


def make_samples(n=4, n_local=3, **more):
    """Crops that hold 10 * image + crop; local ones 100 more."""
    return [
        {
            "global_crops": [torch.full((1, 8, 10), 10.0 * image + crop) for crop in range(2)],
            "local_crops": [torch.full((1, 4, 4), 100.0 + 10 * image + crop) for crop in range(n_local)],
            **more,
        }
        for image in range(n)
    ]


def collate(samples, seed=0, **settings):
    return collate_crops(samples, generator=np.random.default_rng(seed), **MASKING | settings)


def test_crops_are_ordered_crop_by_crop():
    batch = collate(make_samples())
    assert batch["global_crops"].shape == (8, 1, 8, 10)
    assert batch["global_crops"][:, 0, 0, 0].tolist() == [0, 10, 20, 30, 1, 11, 21, 31]
    local = [100, 110, 120, 130, 101, 111, 121, 131, 102, 112, 122, 132]
    assert batch["local_crops"][:, 0, 0, 0].tolist() == local


def test_masks_and_what_follows_from_them():
    batch = collate(make_samples())
    masks = batch["masks"]
    assert (masks.shape, masks.dtype) == ((8, 20), torch.bool)
    assert sorted(masks.sum(1).tolist()) == [0, 0, 0, 0, 4, 7, 9, 12]
    assert batch["n_masked_patches"] == batch["upperbound"] == 32
    assert batch["n_global_crops"] == 2
    assert masks.flatten()[batch["mask_indices"]].all()
    # weights of an image's patches add up to one
    sums = torch.zeros(8).index_add(0, batch["mask_indices"] // 20, batch["masks_weight"])
    assert_close(sums, masks.any(1).float())


@pytest.mark.parametrize("n_ranks", [2, 4])
def test_processes_mask_as_one_with_the_whole_batch_does(n_ranks):
    samples = make_samples()
    whole = collate(samples)
    share = len(samples) // n_ranks
    parts = [collate(samples[rank * share : (rank + 1) * share], rank=rank, n_ranks=n_ranks) for rank in range(n_ranks)]
    for key in ("masks", "global_crops", "local_crops"):
        crops = [part[key].unflatten(0, (-1, share)) for part in parts]
        assert torch.equal(torch.cat(crops, dim=1).flatten(0, 1), whole[key]), key
    assert sum(part["n_masked_patches"] for part in parts) == whole["n_masked_patches"]
    assert len({part["upperbound"] for part in parts}) == 1
    assert all(part["n_masked_patches"] <= part["upperbound"] <= whole["upperbound"] for part in parts)


def test_kinds_of_crops_that_are_not_there_are_left_out():
    keys = set(collate(make_samples(n_local=0)))
    assert "local_crops" not in keys
    assert "gram_teacher_crops" not in keys
    batch = collate(make_samples(gram_teacher_crops=[torch.zeros(1, 6, 6)] * 2, case_id="x"))
    assert batch["gram_teacher_crops"].shape == (8, 1, 6, 6)
    assert "case_id" not in batch


def test_nothing_masked():
    batch = collate(make_samples(), mask_probability=0.0)
    assert not batch["masks"].any()
    assert batch["mask_indices"].shape == batch["masks_weight"].shape == (0,)
    assert batch["n_masked_patches"] == batch["upperbound"] == 0


def test_refuses_samples_of_different_numbers_of_crops():
    samples = make_samples()
    samples[1]["local_crops"].pop()
    with pytest.raises(ValueError, match=r"same number of local_crops, got \[2, 3\]"):
        collate(samples)
