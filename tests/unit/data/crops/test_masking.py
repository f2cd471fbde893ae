"""How many patches are masked, where, and on whose account."""

import numpy as np
import pytest

from meddino_components.data.crops import masking
from meddino_components.data.crops.masking import draw_block_mask, draw_masks, masked_counts

BATCH = {"n_images": 8, "grid": (6, 5), "mask_probability": 0.5, "mask_ratio": (0.1, 0.5)}


def generator(seed=0):
    return np.random.default_rng(seed)


def test_counts_step_through_the_ratios():
    assert masked_counts(**BATCH) == [0, 0, 0, 0, 6, 9, 12, 15]
    assert masked_counts(**BATCH | {"mask_probability": 0}) == [0] * 8
    assert masked_counts(**BATCH | {"mask_probability": 1, "mask_ratio": (1, 1)}) == [30] * 8
    assert masked_counts(**BATCH | {"n_images": 1}) == [0]


@pytest.mark.parametrize("wrong", [{"mask_probability": 1.5}, {"mask_ratio": (0.5, 0.1)}, {"mask_ratio": (0.1, 1.1)}])
def test_refuses_what_is_no_share(wrong):
    with pytest.raises(ValueError, match="must be between 0 and 1"):
        masked_counts(**BATCH | wrong)


@pytest.mark.parametrize("grid", [(6, 6), (3, 9), (1, 7), (14, 14)])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_exact_numbers_on_any_grid(grid, share):
    n_masked = int(grid[0] * grid[1] * share)
    for seed in range(20):
        assert draw_block_mask(generator(seed), grid=grid, n_masked=n_masked).sum() == n_masked


def test_masks_are_blocks():
    masks = np.stack([draw_block_mask(generator(seed), grid=(14, 14), n_masked=60) for seed in range(50)])
    pairs = (masks[:, 1:] & masks[:, :-1]).sum() + (masks[:, :, 1:] & masks[:, :, :-1]).sum()
    # 1.56 in the official masks; patches drawn one by one would have 2 * 60 / 196 = 0.6
    assert 1.4 < pairs / masks.sum() < 1.7


def test_refuses_more_than_there_are():
    with pytest.raises(ValueError, match="cannot mask 7 patches of 2 x 3"):
        draw_block_mask(generator(), grid=(2, 3), n_masked=7)


def test_a_batch_is_a_function_of_the_generator():
    first, again, other = (draw_masks(generator(seed), **BATCH) for seed in (1, 1, 2))
    assert first.shape == (8, 30)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert sorted(first.sum(1)) == sorted(other.sum(1)) == masked_counts(**BATCH)


def test_masks_of_some_images_are_those_they_have_in_the_whole():
    whole, of_some = generator(), generator()
    masks = draw_masks(whole, **BATCH)
    assert np.array_equal(draw_masks(of_some, **BATCH, images=[5, 0]), masks[[5, 0]])
    assert whole.integers(2**63) == of_some.integers(2**63)


def test_circular_shift_moves_masks_to_the_edges():
    settings = BATCH | {"n_images": 400, "grid": (6, 6), "mask_probability": 1.0}
    plain, shifted = (draw_masks(generator(), **settings, circular_shift=shift) for shift in (False, True))
    assert sorted(plain.sum(1)) == sorted(shifted.sum(1))
    assert plain[:, 0].mean() < 0.6 * plain.mean()
    assert shifted[:, 0].mean() == pytest.approx(shifted.mean(), abs=0.06)


def test_single_patches_make_up_what_no_block_can(monkeypatch):
    monkeypatch.setattr(masking, "_add_block", lambda *args: 0)
    assert draw_block_mask(generator(), grid=(4, 4), n_masked=5).sum() == 5
