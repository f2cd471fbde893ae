"""Stochastic depth by batch subset, as DINOv3 does it."""

import pytest
import torch
from torch.testing import assert_close

from meddino_components.networks.attention import Block
from meddino_components.networks.rope import pad_rope_for_prefix

NO_ROPE = pad_rope_for_prefix(torch.zeros(0, 8), torch.ones(0, 8), 5)


def block(drop_path_rate):
    """A block whose second branch is switched off, so that the output is x + the attention branch."""
    torch.manual_seed(0)
    made = Block(dim=16, num_heads=2, drop_path_rate=drop_path_rate, layerscale_init=1.0)
    torch.nn.init.zeros_(made.ls2.gamma)
    return made.train()


@pytest.mark.parametrize(
    ("batch", "rate", "kept"), [(10, 0.3, 7), (10, 0.25, 7), (2, 0.2, 1), (1, 0.9, 1), (3, 0.99, 1)]
)
def test_keeps_a_subset_of_the_batch_and_scales_it(batch, rate, kept):
    dropping = block(rate)
    x = torch.randn(batch, 5, 16)
    residual = dropping.eval()([x], [NO_ROPE])[0] - x
    found = dropping.train()([x], [NO_ROPE])[0] - x
    changed = found.abs().amax(dim=(1, 2)) > 0
    assert int(changed.sum()) == kept
    assert_close(found[changed], residual[changed] * batch / kept, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_mean_over_draws_is_the_branch_without_dropping():
    dropping = block(0.4)
    x = torch.randn(5, 5, 16)
    residual = dropping.eval()([x], [NO_ROPE])[0] - x
    dropping.train()
    n_draws = 2000
    mean = sum(dropping([x], [NO_ROPE])[0] - x for _ in range(n_draws)) / n_draws
    # of a sample that is kept with probability 3/5 and then scaled by 5/3, the deviation is sqrt(2/3)
    assert ((mean - residual).abs() <= 5 * residual.abs() * (2 / 3 / n_draws) ** 0.5 + 1e-5).all()


def test_batches_of_a_list_draw_their_own_subsets():
    dropping = block(0.5)
    x = torch.randn(8, 5, 16)
    first, second = dropping([x, x], [NO_ROPE, NO_ROPE])
    kept = [(out - x).abs().amax(dim=(1, 2)) > 0 for out in (first, second)]
    assert [int(k.sum()) for k in kept] == [4, 4]
    assert not torch.equal(kept[0], kept[1])  # by the seed of `block`


def test_masked_key_bias_stays_without_effect():
    masked = Block(dim=16, num_heads=2, mask_k_bias=True).eval()
    x = torch.randn(2, 5, 16)
    before = masked([x], [NO_ROPE])[0]
    with torch.no_grad():
        masked.attn.qkv.bias[16:32] = 3.0
    assert torch.equal(masked([x], [NO_ROPE])[0], before)
    with torch.no_grad():
        masked.attn.qkv.bias[32:] = 3.0
    assert not torch.equal(masked([x], [NO_ROPE])[0], before)
