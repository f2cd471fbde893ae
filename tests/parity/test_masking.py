"""Masks and batches against statistics of the official ones, and the parts of a batch that do not depend on chance."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from meddino_components.data.crops import collate
from meddino_components.data.crops.collate import collate_crops
from meddino_components.data.crops.masking import draw_block_mask

BATCHES = 20


def test_statistics_of_masks(golden_json):
    generator = np.random.default_rng(0)
    for name, grid in golden_json("masking/generator_stats.json").items():
        size = grid["grid"]
        for count, expected in grid["targets"].items():
            masks = np.stack(
                [draw_block_mask(generator, grid=(size, size), n_masked=int(count)) for _ in range(expected["n"])]
            )
            case = f"{name}, {count} masked"
            counts = masks.sum((1, 2))
            assert (counts.min(), counts.max()) == (expected["count_min"], expected["count_max"]), case
            pairs = (masks[:, 1:] & masks[:, :-1]).sum() + (masks[:, :, 1:] & masks[:, :, :-1]).sum()
            centre = slice(size // 4, 3 * size // 4)
            found = {
                "mean_adjacent_pairs_per_masked_patch": pairs / max(1, masks.sum()),
                "centre_freq": masks[:, centre, centre].mean(),
                "corner_freq": masks[:, [0, 0, -1, -1], [0, -1, 0, -1]].mean(),
            }
            for statistic, value in found.items():
                assert value == pytest.approx(expected[statistic], abs=0.05), f"{case}: {statistic}"


def test_counts_of_batches(golden_json):
    generator = np.random.default_rng(0)
    for expected in golden_json("masking/collate_stats.json"):
        size = int(expected["n_tokens"] ** 0.5)
        n_crops = expected["n_global_images"] // expected["batch_size"]
        samples = [{"global_crops": [torch.zeros(1)] * n_crops} for _ in range(expected["batch_size"])]
        orders = set()
        for _ in range(BATCHES):
            batch = collate_crops(
                samples,
                generator=generator,
                grid=(size, size),
                mask_probability=expected["mask_probability"],
                mask_ratio=tuple(expected["mask_ratio_min_max"]),
                circular_shift=expected["random_circular_shift"],
            )
            counts = batch["masks"].sum(1)
            assert counts.sort().values.tolist() == expected["sorted_mask_counts_every_batch"]
            assert batch["upperbound"] == expected["upperbound"]
            assert batch["n_masked_patches"] == expected["n_masked_patches"]
            orders.add(tuple(counts.tolist()))
        assert len(orders) > 1  # only the order of the images changes


def test_a_recorded_batch(golden_tensors, monkeypatch):
    """With the recorded masks, all else is as recorded."""
    recorded = golden_tensors("masking/collate_example.safetensors")
    masks = recorded["collated_masks"]
    monkeypatch.setattr(collate, "draw_masks", lambda *args, **kwargs: masks.numpy())
    # crops hold 10 * image + crop, local ones 100 more
    n_images = len({value // 10 for value in recorded["collated_global_crops"].flatten().tolist()})
    samples = [
        {
            "global_crops": [torch.tensor([10.0 * i + c]) for c in range(len(masks) // n_images)],
            "local_crops": [
                torch.tensor([100.0 + 10 * i + c]) for c in range(len(recorded["collated_local_crops"]) // n_images)
            ],
        }
        for i in range(n_images)
    ]
    size = int(masks.shape[1] ** 0.5)
    batch = collate_crops(
        samples,
        generator=np.random.default_rng(0),
        grid=(size, size),
        mask_probability=0.5,
        mask_ratio=(0.1, 0.5),
    )
    assert torch.equal(batch["global_crops"], recorded["collated_global_crops"])
    assert torch.equal(batch["local_crops"], recorded["collated_local_crops"])
    assert torch.equal(batch["masks"], masks)
    assert torch.equal(batch["mask_indices"], recorded["mask_indices_list"])
    assert_close(batch["masks_weight"], recorded["masks_weight"])
    assert batch["n_masked_patches"] == recorded["n_masked_patches"].item()
    assert batch["upperbound"] == recorded["upperbound"].item()
