"""The decoder's matrix products against the layers they stand for."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from meddino_components.networks import PatchDecoder, patch_decoder


class ChannelNorm(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def plain(decoder):
    """The same parameters in the layers of the paper: transposed convolution, layer norm over channels, GELU."""
    layers = []
    for stage in decoder.stages:
        layers += [stage.up, ChannelNorm(stage.norm), nn.GELU()]
    return nn.Sequential(*layers, decoder.head)


def decoder(in_channels=32, num_classes=5, **kwargs):
    torch.manual_seed(0)
    made = PatchDecoder(in_channels=in_channels, num_classes=num_classes, **kwargs)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.5)
    return made


# the second has 3744 rows at the first chunked stage, more than three chunks and a rest
@pytest.mark.parametrize("shape", [(1, 32, 1, 1), (2, 32, 9, 13), (1, 32, 2, 70)])
def test_equals_the_plain_layers(shape):
    made = decoder()
    features = torch.randn(shape)
    expected = plain(made)(features)
    assert expected.shape == (shape[0], 5, 16 * shape[2], 16 * shape[3])
    with torch.no_grad():
        assert_close(made(features), expected, rtol=1e-4, atol=1e-4)
    assert_close(made(features), expected, rtol=1e-4, atol=1e-4)


def test_more_rows_than_a_chunk_are_split(monkeypatch):
    made, sizes = decoder(), []
    classify = made._classify
    monkeypatch.setattr(made, "_classify", lambda rows: sizes.append(len(rows)) or classify(rows))
    with torch.no_grad():
        made(torch.randn(2, 32, 9, 13))
    rows = 2 * 9 * 13 * 16
    chunk = patch_decoder._ROWS_PER_CHUNK
    assert [size // 16 for size in sizes] == [chunk] * (rows // chunk) + [rows % chunk]


def test_gradients_equal_those_of_the_plain_layers():
    made = decoder()
    features = torch.randn(1, 32, 2, 3)
    weights = torch.randn(1, 5, 32, 48)
    found = {}
    for name, network in (("ours", made), ("plain", plain(made))):
        made.zero_grad()
        leaf = features.clone().requires_grad_()
        (network(leaf) * weights).mean().backward()
        found[name] = [leaf.grad, *(p.grad.clone() for p in made.parameters())]
    for ours, expected in zip(found["ours"], found["plain"], strict=True):
        assert_close(ours, expected, rtol=1e-4, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("n_stages", [1, 2, 3])
def test_other_patch_sizes(n_stages):
    made = decoder(n_stages=n_stages)
    features = torch.randn(1, 32, 3, 5)
    assert_close(made(features), plain(made)(features), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_patch_depends_on_its_token_alone():
    made = decoder()
    features = torch.randn(1, 32, 3, 4)
    other = features.clone()
    other[:, :, 1, 2] += 1
    changed = (made(features) != made(other)).any(dim=1)[0]
    inside = changed[16:32, 32:48]
    assert inside.float().mean() > 0.9  # a GELU may swallow the rest
    assert changed.sum() == inside.sum()


@torch.no_grad()
def test_autocast_to_bf16_stays_close():
    made = decoder(in_channels=64)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.2)
    features = torch.randn(2, 64, 9, 13)
    expected = made(features)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = made(features).float()
    assert found.isfinite().all()
    assert F.mse_loss(found, expected).sqrt() < 0.02 * expected.std()


def test_refuses_channels_that_cannot_be_halved():
    with pytest.raises(ValueError, match="in_channels 24 cannot be halved 4 times"):
        PatchDecoder(in_channels=24, num_classes=2)


@torch.no_grad()
def test_recorded_it_runs_in_one_piece_with_the_same_numbers(monkeypatch):
    """In a recorded network the number of chunks would be that of one size."""
    torch.manual_seed(0)
    decoder = PatchDecoder(in_channels=32, num_classes=3)
    features = torch.randn(2, 32, 12, 11)
    expected = decoder(features)
    monkeypatch.setattr("meddino_components.networks.patch_decoder.is_traced", lambda: True)
    assert_close(decoder(features), expected, rtol=1e-5, atol=1e-5)
