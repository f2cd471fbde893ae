"""Stochastic depth by batch subset: the rate asked for at any batch, and the official rule."""

import pytest
import torch
from torch.testing import assert_close

from meddino_components.networks.attention import Block
from meddino_components.networks.rope import pad_rope_for_prefix

NO_ROPE = pad_rope_for_prefix(torch.zeros(0, 8), torch.ones(0, 8), 5)


def block(drop_path_rate, rounding="random"):
    """A block whose second branch is switched off, so that the output is x + the attention branch."""
    torch.manual_seed(0)
    made = Block(dim=16, num_heads=2, drop_path_rate=drop_path_rate, drop_path_rounding=rounding, layerscale_init=1.0)
    torch.nn.init.zeros_(made.ls2.gamma)
    return made.train()


@pytest.mark.parametrize(
    ("batch", "rate", "kept"), [(10, 0.3, 7), (10, 0.25, 7), (2, 0.2, 1), (1, 0.9, 1), (3, 0.99, 1)]
)
def test_the_official_rule_keeps_the_number_rounded_down_and_scales_it(batch, rate, kept):
    dropping = block(rate, "down")
    x = torch.randn(batch, 5, 16)
    residual = dropping.eval()([x], [NO_ROPE])[0] - x
    found = dropping.train()([x], [NO_ROPE])[0] - x
    changed = found.abs().amax(dim=(1, 2)) > 0
    assert int(changed.sum()) == kept
    assert_close(found[changed], residual[changed] * batch / kept, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(("batch", "rate"), [(5, 0.4), (1, 0.2), (2, 0.2), (3, 0.5), (2, 0.9)])
def test_drops_the_share_asked_for_at_any_batch_and_keeps_the_mean(batch, rate, traced, monkeypatch):
    monkeypatch.setattr("meddino_components.networks.attention.is_traced", lambda: traced)
    dropping = block(rate)
    x = torch.randn(batch, 5, 16)
    residual = dropping.eval()([x], [NO_ROPE])[0] - x
    dropping.train()
    n_draws = 2000
    # entries of a list draw their own subsets
    drawn = torch.stack(dropping([x] * n_draws, [NO_ROPE] * n_draws)) - x
    kept = drawn.abs().amax(dim=(2, 3)) > 0
    assert kept.float().mean().item() == pytest.approx(1 - rate, abs=5 * (rate * (1 - rate) / n_draws) ** 0.5)
    # the number that is kept is one of the two nearest
    assert set(kept.sum(1).tolist()) <= {int(batch * (1 - rate)), int(batch * (1 - rate)) + 1}
    assert_close(drawn[kept], (residual / (1 - rate)).expand_as(drawn)[kept], rtol=1e-4, atol=1e-5)
    # of a sample that is kept with probability q and then scaled by 1 / q, the deviation is sqrt((1 - q) / q)
    deviation = residual.abs() * (rate / (1 - rate) / n_draws) ** 0.5
    assert ((drawn.mean(0) - residual).abs() <= 5 * deviation + 1e-5).all()


def test_a_branch_that_is_dropped_gives_gradients_of_zero():
    dropping = block(0.99)
    x = torch.randn(1, 5, 16)
    found = dropping([x], [NO_ROPE])[0]
    found.sum().backward()
    assert torch.equal(found, x)  # by the seed of `block`
    assert all(p.grad is not None and not p.grad.any() for p in dropping.parameters())


@pytest.mark.parametrize("rate", [0.0, 0.5])
@pytest.mark.parametrize("rounding", ["random", "down"])
@pytest.mark.parametrize("training", [True, False])
def test_a_sum_has_the_precision_of_its_first_term(rate, rounding, training):
    dropping = block(rate, rounding).train(training)
    x = torch.randn(2, 5, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert dropping([x.bfloat16()], [NO_ROPE])[0].dtype == torch.bfloat16
        assert dropping([x], [NO_ROPE])[0].dtype == torch.float32


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"drop_path_rate": 1.0}, "below 1, got 1.0"), ({"drop_path_rounding": "up"}, "random or down, got 'up'")],
)
def test_settings_that_make_no_sense_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        Block(dim=16, num_heads=2, **settings)


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
