import pytest
import torch

from meddino_components.checkpoints.backbone_fit import fit_backbone


def fit(network, format="dinov3", **changes):
    tensors = {key: tensor.clone() for key, tensor in network.state_dict().items()} | changes
    return fit_backbone({key: value for key, value in tensors.items() if value is not None}, network, format=format)


PERIODS = "rope_embed.periods"
MASK = "blocks.0.attn.qkv.bias_mask"


def test_equal_networks_need_nothing(tiny_vit):
    result = fit(tiny_vit())
    assert not result.problems
    assert result.notes == ["2 bias_mask buffers rebuilt (the key bias is held at zero)"]


def test_rounded_periods_are_recomputed(tiny_vit):
    network = tiny_vit()
    periods = network.rope_embed.periods
    result = fit(network, **{PERIODS: periods.bfloat16()})
    assert torch.equal(result.tensors[PERIODS], periods)
    assert any("rounded to bf16" in note for note in result.notes)
    assert not result.problems


def test_other_base_is_a_problem(tiny_vit):
    result = fit(tiny_vit(), **{PERIODS: tiny_vit(pos_embed_rope_base=1000.0).rope_embed.periods})
    assert "pos_embed_rope_base" in result.problems[0]


def test_other_number_of_heads_is_a_problem(tiny_vit):
    result = fit(tiny_vit(), **{PERIODS: tiny_vit(num_heads=4).rope_embed.periods})
    assert "num_heads: 4" in result.problems[0]


def test_absent_periods_are_said(tiny_vit):
    assert any("cannot be checked" in note for note in fit(tiny_vit(), **{PERIODS: None}).notes)


@pytest.mark.parametrize("contents", [float("nan"), 0.0, 1.0])
def test_masks_are_rebuilt_whatever_they_hold(tiny_vit, contents):
    result = fit(tiny_vit(), **{MASK: torch.full((96,), contents)})
    assert result.tensors[MASK].view(3, 32).tolist() == [[1] * 32, [0] * 32, [1] * 32]


def test_live_key_bias_into_a_masked_network(tiny_vit):
    masked, live = tiny_vit(), tiny_vit(mask_k_bias=False)
    result = fit_backbone(live.state_dict(), masked, format="dinov3")
    assert "the network masks them: build the network from the weights" in result.problems[0]


def test_masked_key_bias_into_a_network_without_masks(tiny_vit):
    masked, plain = tiny_vit(), tiny_vit(mask_k_bias=False)
    result = fit_backbone(masked.state_dict(), plain, format="dinov3")
    plain.load_state_dict(result.tensors)
    images = torch.randn(1, 3, 32, 48, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(plain(images), masked(images))
    assert not result.problems


def test_timm_keeps_the_mask_token(tiny_vit):
    network = tiny_vit()
    assert fit(network, mask_token=None).tensors.keys() == network.state_dict().keys() - {"mask_token"}
    result = fit(network, format="timm names", mask_token=None)
    assert torch.equal(result.tensors["mask_token"], network.mask_token)
    assert any("mask_token" in note for note in result.notes)
