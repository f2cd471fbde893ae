"""What parity with the official code does not show: sizes, lists, checkpointing, precision, random positions."""

import pytest
import torch
from torch.testing import assert_close

from meddino_components.networks import DinoVisionTransformer

TINY = {"embed_dim": 32, "depth": 3, "num_heads": 2, "n_storage_tokens": 2, "layerscale_init": 1.0, "in_chans": 1}


def vit(**overrides):
    torch.manual_seed(0)
    return DinoVisionTransformer(**{**TINY, **overrides}).eval()


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(16, 16), (48, 32), (80, 112), (16, 160)])
def test_takes_any_size_divisible_by_the_patch_size(height, width):
    network = vit()
    images = torch.randn(2, 1, height, width)
    features = network.forward_features(images)
    n_patches = height * width // 256
    assert features["x_norm_patchtokens"].shape == (2, n_patches, 32)
    assert features["x_storage_tokens"].shape == (2, 2, 32)
    assert features["x_prenorm"].shape == (2, 3 + n_patches, 32)
    assert_close(network(images), features["x_norm_clstoken"])
    (maps,) = network.get_intermediate_layers(images, n=1, reshape=True)
    assert maps.shape == (2, 32, height // 16, width // 16)
    assert_close(maps.flatten(2).transpose(1, 2), features["x_norm_patchtokens"])


@torch.no_grad()
def test_drops_the_remainder_at_the_far_edges():
    network = vit()
    images = torch.randn(1, 1, 40, 63)
    assert_close(network.get_intermediate_layers(images)[0], network.get_intermediate_layers(images[:, :, :32, :48])[0])


@torch.no_grad()
def test_a_list_gives_what_its_entries_give_alone():
    network = vit()
    crops = [torch.randn(2, 1, 64, 48), torch.randn(3, 1, 32, 32), torch.randn(1, 1, 16, 80)]
    masks = [torch.rand(2, 12) < 0.5, None, torch.rand(1, 5) < 0.5]
    together = network.forward_features(crops, masks)
    for crop, mask, found in zip(crops, masks, together, strict=True):
        alone = network.forward_features(crop, mask)
        assert found["masks"] is mask
        for entry in ("x_norm_clstoken", "x_storage_tokens", "x_norm_patchtokens", "x_prenorm"):
            assert_close(found[entry], alone[entry], rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_a_masked_patch_hides_its_pixels():
    network = vit()
    torch.nn.init.normal_(network.mask_token)
    images, mask = torch.randn(1, 1, 32, 32), torch.tensor([[True, False, False, False]])
    other = images.clone()
    other[:, :, :16, :16] = 7
    for entry in ("x_norm_clstoken", "x_norm_patchtokens"):
        first, second = (network.forward_features(x, mask)[entry] for x in (images, other))
        assert torch.equal(first, second)
        assert not torch.equal(first, network.forward_features(images)[entry])


def gradients(network, call):
    torch.manual_seed(5)  # draws of stochastic depth and of positions
    network.train().zero_grad()
    out = call(network)
    out.square().mean().backward()
    return out.detach(), {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    "call",
    [
        lambda network: network.forward_features(torch.ones(4, 1, 32, 48))["x_prenorm"],
        lambda network: torch.cat(network.get_intermediate_layers(torch.ones(4, 1, 32, 48), n=[0, 2])),
    ],
    ids=["forward_features", "get_intermediate_layers"],
)
def test_activation_checkpointing_changes_no_value_and_computes_blocks_twice(call):
    random = {"drop_path_rate": 0.4, "pos_embed_rope_rescale_coords": 2.0}
    found = {}
    for checkpointing in (False, True):
        network = vit(activation_checkpointing=checkpointing, **random)
        calls = []
        network.blocks[0].attn.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        found[checkpointing] = gradients(network, call)
        assert len(calls) == (2 if checkpointing else 1)
    assert_close(found[True][0], found[False][0], rtol=0, atol=0)
    assert found[True][1].keys() == found[False][1].keys()
    for name, gradient in found[False][1].items():
        assert_close(found[True][1][name], gradient, rtol=1e-6, atol=1e-9, msg=name)


@pytest.mark.parametrize("augmentation", ["shift", "jitter", "rescale"])
def test_each_block_draws_its_own_positions_in_training(augmentation, monkeypatch):
    network = vit(**{f"pos_embed_rope_{augmentation}_coords": 1.5})
    draw, tables = network.rope_embed.forward, []
    monkeypatch.setattr(network.rope_embed, "forward", lambda *grid: tables.append(draw(*grid)[0]) or draw(*grid))
    images = torch.zeros(1, 1, 48, 48)
    for expected, mode in ((3, True), (1, False)):
        tables.clear()
        network.train(mode)
        network.forward_features(images)
        assert len(tables) == expected
        different = [not torch.allclose(a, b) for i, a in enumerate(tables) for b in tables[:i]]
        assert all(different)


@pytest.mark.parametrize(("precision", "kept"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_a_cast_to_bf16_rounds_no_fp32_periods(precision, kept):
    network = vit(pos_embed_rope_dtype=precision, norm_layer="layernormbf16")
    before = network.rope_embed.periods.clone()
    network.to(torch.bfloat16)
    assert network.patch_embed.proj.weight.dtype == torch.bfloat16
    assert network.rope_embed.periods.dtype == kept
    assert torch.equal(network.rope_embed.periods, before)
    assert network(torch.zeros(1, 1, 32, 32, dtype=torch.bfloat16)).dtype == torch.bfloat16


@torch.no_grad()
@pytest.mark.parametrize(("autocast", "expected"), [(torch.bfloat16, torch.bfloat16), (torch.float16, torch.float32)])
@pytest.mark.parametrize("rate", [0.0, 0.4])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("rope", ["bf16", "fp32"])
def test_no_setting_changes_the_precision_of_the_tokens(autocast, expected, rate, training, rope):
    network = vit(drop_path_rate=rate, pos_embed_rope_dtype=rope).train(training)
    with torch.autocast("cpu", dtype=autocast):
        assert network.forward_features(torch.randn(2, 1, 32, 32))["x_prenorm"].dtype == expected


@torch.no_grad()
def test_autocast_to_bf16_stays_close():
    network = vit()
    images = torch.randn(2, 1, 64, 64)
    expected = network.forward_features(images)["x_norm_patchtokens"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = network.forward_features(images)["x_norm_patchtokens"].float()
    assert found.isfinite().all()
    # after the norm values are of order 1; bf16 has 8 bits
    assert (found - expected).abs().mean() < 0.01
    assert (found - expected).abs().max() < 0.1


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"norm_layer": "batchnorm"}, "norm_layer must be one of"),
        ({"ffn_layer": "swiglu7"}, "ffn_layer must be one of"),
        ({"embed_dim": 36, "num_heads": 6}, "multiple of 4 x num_heads"),
        ({"pos_embed_rope_min_period": 0.1, "pos_embed_rope_max_period": 2.0}, "either `base`, or both"),
        ({"pos_embed_rope_base": None}, "either `base`, or both"),
        ({"pos_embed_rope_normalize_coords": "mean"}, "normalize_coords must be"),
    ],
)
def test_refuses_settings_that_make_no_network(overrides, message):
    with pytest.raises(ValueError, match=message):
        vit(**overrides)


def test_refuses_inputs_and_blocks_it_does_not_have():
    network = vit()
    with pytest.raises(ValueError, match=r"expected images \[B, 1, H, W\], got \[1, 3, 16, 16\]"):
        network(torch.zeros(1, 3, 16, 16))
    with pytest.raises(ValueError, match="blocks 0 to 2"):
        network.get_intermediate_layers(torch.zeros(1, 1, 16, 16), n=[3])


def test_every_parameter_takes_part_in_training():
    """DDP fails on a parameter without a gradient."""
    network = vit(mask_k_bias=True).train()
    network.forward_features(torch.randn(1, 1, 32, 32))["x_prenorm"].sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == ["norm.weight", "norm.bias"]
