"""The project's own encoders: tokens of a backbone, pixels, and what tells their embeddings apart."""

import subprocess
import sys

import pytest
import torch
from torch.testing import assert_close

from meddino_components.embeddings import (
    FrozenEncoder,
    encoders,
    for_scans,
    frozen_backbone,
    raw_pixels,
    weights_digest,
)
from meddino_components.networks import DinoVisionTransformer, vit_backbone


def backbone(seed=0, **settings):
    """Two blocks of width 32 with random weights; patches of 8 pixels."""
    torch.manual_seed(seed)
    network = DinoVisionTransformer(
        **{"patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2, "n_storage_tokens": 4, **settings}
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.2)
    return network


def images(n=2, channels=3, side=32):
    return torch.randn(n, channels, side, side, generator=torch.Generator().manual_seed(1))


def test_tokens_of_a_backbone():
    network = backbone(drop_path_rate=0.5).train()
    encoder = frozen_backbone("ours", network, intensity="picture")
    assert not network.training
    assert (encoder.name, encoder.patch_size, encoder.metric, encoder.fixed_size_px) == ("ours", 8, "cosine", None)
    assert encoder.intensity == "picture"
    with torch.no_grad():
        vector, patches = encoder.encode(images())
        expected = network.forward_features(images())
    assert torch.equal(vector, expected["x_norm_clstoken"])
    assert torch.equal(patches, expected["x_norm_patchtokens"])
    assert patches.shape == (2, 16, 32)


def test_one_channel_is_repeated():
    encode = frozen_backbone("ours", backbone()).encode
    grey = images(channels=1)
    with torch.no_grad():
        for found, expected in zip(encode(grey), encode(grey.repeat(1, 3, 1, 1)), strict=True):
            assert_close(found, expected)


def test_bfloat16_is_near_and_not_the_same():
    network = backbone()
    with torch.no_grad():
        exact, _ = frozen_backbone("fp32", network).encode(images())
        rough, patches = frozen_backbone("bf16", network, amp=True).encode(images())
    difference = (rough.float() - exact).abs().max() / exact.abs().max()
    assert 1e-4 < float(difference) < 0.05
    assert patches.shape == (2, 16, 32)


def test_the_digest_changes_with_what_changes_an_embedding():
    network, changed = backbone(), backbone()
    with torch.no_grad():
        changed.blocks[1].mlp.fc2.bias[3] += 1e-6
    digests = [
        frozen_backbone("a", network).digest,
        frozen_backbone("a", network, intensity="picture").digest,
        frozen_backbone("a", network, amp=True).digest,
        frozen_backbone("a", changed).digest,
        frozen_backbone("a", backbone(seed=1)).digest,
    ]
    assert len(set(digests)) == 5
    assert frozen_backbone("another name", backbone()).digest == digests[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"norm_layer": "layernorm"}, {"norm_layer": "layernormbf16"}),
        ({"pos_embed_rope_dtype": "fp32"}, {"pos_embed_rope_dtype": "bf16"}),
        ({"pos_embed_rope_normalize_coords": "separate"}, {"pos_embed_rope_normalize_coords": "max"}),
        ({"num_heads": 2}, {"num_heads": 4}),
    ],
)
def test_settings_that_are_in_no_tensor_are_in_the_digest(one, other):
    networks = [backbone(**settings) for settings in (one, other)]
    # each keeps its own rotary periods
    networks[1].load_state_dict({**networks[0].state_dict(), "rope_embed.periods": networks[1].rope_embed.periods})
    one_frozen, other_frozen = (frozen_backbone("a", network) for network in networks)
    pictures = images(side=48)[..., :32, :]
    with torch.no_grad():
        features, other_features = (frozen.encode(pictures)[1] for frozen in (one_frozen, other_frozen))
    assert not torch.equal(features, other_features)
    assert one_frozen.digest != other_frozen.digest
    assert frozen_backbone("a", backbone(**one)).digest == one_frozen.digest


def test_the_blocks_of_levels_are_in_the_digest(monkeypatch):
    digest = frozen_backbone("a", backbone()).digest
    monkeypatch.setattr(encoders, "level_blocks", lambda network, n_levels=4: [1])
    assert frozen_backbone("a", backbone()).digest != digest


def test_settings_of_training_are_not_in_the_digest():
    of_training = {
        "drop_path_rate": 0.3,
        "drop_path_rounding": "down",
        "activation_checkpointing": True,
        "pos_embed_rope_jitter_coords": 1.2,
    }
    assert frozen_backbone("a", backbone(**of_training)).digest == frozen_backbone("a", backbone()).digest


def test_the_digest_knows_names_shapes_types_and_values():
    def digest(**tensors):
        module = torch.nn.Module()
        for name, tensor in tensors.items():
            module.register_buffer(name, tensor)
        return weights_digest(module)

    zeros = torch.zeros(4)
    states = [
        {"a": zeros},
        {"b": zeros},
        {"a": zeros.view(2, 2)},
        {"a": zeros.int()},
        {"a": torch.tensor([0.0, 0.0, 0.0, -0.0])},
        {"a": torch.zeros(8, dtype=torch.bfloat16)},
        {"a": torch.tensor(0.0)},
        {"a": torch.zeros(0)},
    ]
    assert len({digest(**state) for state in states}) == len(states)
    # not contiguous, the same values
    assert digest(a=torch.arange(6.0).view(2, 3).T) == digest(a=torch.tensor([[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]))


@pytest.mark.slow
def test_digest_and_settings_are_the_same_in_another_process():
    """Names and values decide: no address, no random order of a set."""
    program = (
        "import torch; from meddino_components.embeddings.encoders import network_settings, weights_digest;"
        "from meddino_components.networks import vit_backbone;"
        "layer = torch.nn.Linear(3, 2); layer.weight.data.fill_(0.5); layer.bias.data.fill_(-1);"
        "print(weights_digest(layer, extra='x'));"
        "print(network_settings(vit_backbone('vit_tiny', depth=1)))"
    )
    layer = torch.nn.Linear(3, 2)
    layer.weight.data.fill_(0.5)
    layer.bias.data.fill_(-1)
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    digest, settings = output.splitlines()[-2:]
    assert digest == weights_digest(layer, extra="x")
    assert settings == encoders.network_settings(vit_backbone("vit_tiny", depth=1))


def test_raw_pixels():
    encoder = raw_pixels(patch_size=8)
    assert (encoder.metric, encoder.intensity, encoder.patch_size) == ("euclidean", "scan", 8)
    picture = torch.arange(32.0 * 32).view(1, 1, 32, 32)
    vector, patches = encoder.encode(picture)
    assert_close(vector, torch.nn.functional.avg_pool2d(picture, 2).flatten(1))
    assert patches.shape == (1, 16, 64)
    # the sixth patch lies in the second row and column, and keeps all its pixels
    assert_close(patches[0, 5], picture[0, 0, 8:16, 8:16].flatten())
    coarse = raw_pixels(patch_size=16)
    assert_close(coarse.encode(picture)[1][0, 3], torch.nn.functional.avg_pool2d(picture, 2)[0, 0, 8:, 8:].flatten())
    assert coarse.digest != encoder.digest


@pytest.mark.parametrize("channels", [1, 3])
def test_raw_pixels_have_as_many_numbers_as_channels_times_cells(channels):
    vector, patches = raw_pixels().encode(images(channels=channels))
    assert vector.shape == (2, channels * 256)
    assert patches.shape == (2, 4, channels * 64)


def shown_to(modality, slices, intensity="picture"):
    """What an encoder of pictures is given for normalised slices."""
    seen = []

    def encode(shown):
        seen.append(shown)
        return shown.flatten(1), shown.flatten(2)

    settings = {"mean": (0.5, 0.5, 0.0), "std": (0.5, 1.0, 1.0), "digest": "d", "patch_size": 8}
    encoder = FrozenEncoder(name="e", encode=encode, intensity=intensity, **settings)
    for_scans(encoder, modality=modality)(slices)
    return seen[0]


def test_scans_for_an_encoder_of_pictures():
    """MR from 0 to 1 in each slice, whatever else is in the batch; an empty slice is black."""
    slices = torch.stack([torch.tensor([[-1.0, 1.0]]), torch.tensor([[0.0, 4.0]]), torch.full((1, 2), 7.0)])[:, None]
    shown = shown_to("mr", slices)
    expected = torch.tensor([[-1.0, 1.0], [-0.5, 0.5], [0.0, 1.0]])
    assert_close(shown[0, :, 0], expected)
    assert_close(shown[1, :, 0], expected)
    assert_close(shown[2, :, 0], torch.tensor([[-1.0, -1.0], [-0.5, -0.5], [0.0, 0.0]]))
    low, high = (shown_to("ct", torch.full((1, 1, 8, 8), value)) for value in (-1e4, 1e4))
    assert_close(low[0, :, 0, 0], torch.tensor([-1.0, -0.5, 0.0]))
    assert_close(high[0, :, 0, 0], torch.tensor([1.0, 0.5, 1.0]))
    assert torch.equal(shown_to("mr", slices, intensity="scan"), slices)


@pytest.mark.parametrize(("depth", "blocks"), [(12, [2, 5, 8, 11]), (8, [1, 3, 5, 7]), (2, [0, 1]), (1, [0])])
def test_levels_are_evenly_spaced_blocks_up_to_the_last(depth, blocks):
    network = backbone(depth=depth)
    encoder = frozen_backbone("ours", network)
    with torch.no_grad():
        levels = encoder.levels(images())
        expected = network.get_intermediate_layers(images(), n=blocks)
        _, patches = encoder.encode(images())
    assert levels.shape == (2, len(blocks), 16, 32)
    for level, patches_of_block in zip(levels.unbind(1), expected, strict=True):
        assert torch.equal(level, patches_of_block)
    assert_close(levels[:, -1], patches)


def test_an_encoder_of_which_only_the_last_patches_are_known_has_one_level():
    encoder = raw_pixels(patch_size=8)
    levels = encoder.levels(images(channels=1))
    assert levels.shape == (2, 1, 16, 64)
    assert torch.equal(levels[:, 0], encoder.encode(images(channels=1))[1])
