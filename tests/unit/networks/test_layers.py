"""Small layers against their formulas, a number at a time."""

import math

import pytest
import torch
from torch.testing import assert_close

from meddino_components.networks.layers import LayerScale, Mlp, PatchEmbedding, SwiGlu, make_ffn, make_norm


def vector(*values):
    return torch.tensor(values, dtype=torch.float32)


# of a variance so small that eps decides
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("layernorm", 1e-3 / math.sqrt(1e-6 + 1e-6)),
        ("layernormbf16", 1e-3 / math.sqrt(1e-6 + 1e-5)),
        ("rmsnorm", 1e-3 / math.sqrt(1e-6 + 1e-5)),
    ],
)
def test_each_norm_has_its_eps(name, expected):
    norm = make_norm(name, 2)
    assert_close(norm(vector(1e-3, -1e-3)), vector(expected, -expected))


def test_the_root_mean_square_norm_takes_no_mean_off_and_has_no_bias():
    assert_close(make_norm("rmsnorm", 2)(vector(3, 4)), vector(3, 4) / math.sqrt(12.5), rtol=1e-5, atol=0)
    assert_close(make_norm("layernorm", 2)(vector(3, 5)), vector(-1, 1), rtol=1e-5, atol=0)
    assert [name for name, _ in make_norm("rmsnorm", 2).named_parameters()] == ["weight"]


def test_layer_scale_begins_small_and_has_a_factor_a_channel():
    scale = LayerScale(dim=3)
    assert torch.equal(scale(vector(1, 2, 3)), 1e-5 * vector(1, 2, 3))
    scale.gamma.data = vector(2, 0, -1)
    assert torch.equal(scale(torch.ones(4, 5, 3)), vector(2, 0, -1).expand(4, 5, 3))


def gelu(x):
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


def test_the_mlp_by_hand():
    mlp = Mlp(dim=1, hidden_dim=2)
    mlp.load_state_dict(
        {"fc1.weight": vector(1, -2)[:, None], "fc1.bias": vector(0.5, 0), "fc2.weight": vector(3, 4)[None],
         "fc2.bias": vector(0.25)}
    )  # fmt: skip
    assert mlp(vector(0.7)).item() == pytest.approx(3 * gelu(1.2) + 4 * gelu(-1.4) + 0.25, rel=1e-6)


def test_the_gated_network_by_hand():
    # a hidden width of 2: two thirds of 3, rounded up to a multiple of 1
    gated = SwiGlu(dim=1, hidden_dim=3, align_to=1, bias=False)
    gated.load_state_dict(
        {"w1.weight": vector(1, -1)[:, None], "w2.weight": vector(2, 5)[:, None], "w3.weight": vector(3, 7)[None]}
    )
    x = 0.5
    first, second = x / (1 + math.exp(-x)) * 2 * x, -x / (1 + math.exp(x)) * 5 * x
    assert gated(vector(x)).item() == pytest.approx(3 * first + 7 * second, rel=1e-6)


@pytest.mark.parametrize(("name", "width"), [("swiglu", 512), ("swiglu32", 512), ("swiglu64", 512), ("swiglu128", 512)])
def test_a_width_that_is_aligned_stays(name, width):
    assert make_ffn(name, dim=192, hidden_dim=768).w1.out_features == width


@pytest.mark.parametrize(("name", "width"), [("swiglu", 136), ("swiglu32", 160), ("swiglu64", 192), ("swiglu128", 256)])
def test_two_thirds_of_the_width_rounded_up(name, width):
    # two thirds of 200 are 133
    network = make_ffn(name, dim=50, hidden_dim=200)
    assert [layer.out_features for layer in (network.w1, network.w2, network.w3)] == [width, width, 50]


def test_which_layers_have_biases():
    for name, n_layers in (("mlp", 2), ("swiglu", 3)):
        for bias in (True, False):
            network = make_ffn(name, dim=8, hidden_dim=32, bias=bias)
            assert sum(parameter.ndim == 1 for parameter in network.parameters()) == n_layers * bias


def test_unknown_names_are_answered_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"norm_layer must be one of \['layernorm', .*\], got 'batchnorm'"):
        make_norm("batchnorm", 8)
    with pytest.raises(ValueError, match=r"ffn_layer must be one of \['mlp', 'swiglu', .*\], got 'swiglu7'"):
        make_ffn("swiglu7", dim=8, hidden_dim=32)


def test_a_patch_is_its_pixels_times_the_weights_and_a_remainder_is_dropped():
    torch.manual_seed(0)
    embedding = PatchEmbedding(in_chans=2, embed_dim=5, patch_size=4)
    images = torch.randn(3, 2, 11, 14)
    found = embedding(images)
    assert found.shape == (3, 2, 3, 5)
    weight, bias = embedding.proj.weight, embedding.proj.bias
    for row in range(2):
        for column in range(3):
            pixels = images[:, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            assert_close(found[:, row, column], pixels.flatten(1) @ weight.flatten(1).T + bias)
