"""The whole segmentation network."""

import pytest
import torch
from torch.testing import assert_close

from meddino_components.errors import InputError
from meddino_components.networks import (
    DinoVisionTransformer,
    MedDinoSegmenter,
    patch_decoder,
    vit_backbone,
)


def segmenter(backbone=None, **overrides):
    torch.manual_seed(0)
    tiny = {"embed_dim": 32, "depth": 3, "num_heads": 2, "layerscale_init": 1.0, **(backbone or {})}
    settings = {"num_classes": 4, "interaction_indices": [0, 2], **overrides}
    return MedDinoSegmenter(backbone=DinoVisionTransformer(**tiny), **settings).eval()


@torch.no_grad()
def test_logits_of_every_pixel_with_and_without_a_batch():
    network = segmenter()
    images = torch.randn(2, 1, 32, 48)
    logits = network(images)
    assert logits.shape == (2, 4, 32, 48)
    assert_close(logits[1:], network(images[1:]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("size", "named"), [((32, 40), r"\(32, 40\)"), ((24, 32), r"\(24, 32\)")])
def test_refuses_sizes_that_are_no_multiple_of_the_patch(size, named):
    with pytest.raises(ValueError, match=f"multiples of 16, got {named}"):
        segmenter()(torch.zeros(1, 1, *size))


def test_refuses_a_patch_size_the_decoder_cannot_double_to():
    with pytest.raises(ValueError, match="patch_size 14 must be a power of 2"):
        segmenter(backbone={"patch_size": 14})


def test_patch_size_8_has_three_stages():
    assert segmenter(backbone={"patch_size": 8})(torch.zeros(1, 1, 24, 40)).shape == (1, 4, 24, 40)


@torch.no_grad()
def test_autocast_to_bf16_stays_close():
    network = segmenter()
    images = torch.randn(2, 1, 64, 64)
    expected = network(images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = network(images).float()
    assert found.isfinite().all()
    assert (found - expected).square().mean().sqrt() < 0.03 * expected.std()


def test_gradient_reaches_every_parameter():
    network = segmenter().train()
    network(torch.randn(1, 1, 32, 32)).square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.slow
def test_compiled_network_gives_the_same_logits():
    network = segmenter()
    images = torch.randn(1, 1, 32, 48)
    with torch.no_grad():
        assert_close(torch.compile(network)(images), network(images), rtol=1e-4, atol=1e-4)


def test_dropout_acts_in_training_mode_alone():
    torch.manual_seed(0)
    network = MedDinoSegmenter(
        backbone=vit_backbone("vit_tiny", layerscale_init=1.0), num_classes=2, interaction_indices=[11], dropout=0.5
    )
    image = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        assert not torch.equal(network.train()(image), network(image))
        assert torch.equal(network.eval()(image), network(image))
    with pytest.raises(ValueError, match="dropout must be at least 0 and below 1, got 1"):
        MedDinoSegmenter(backbone=network.backbone, num_classes=2, interaction_indices=[11], dropout=1.0)


def test_blocks_that_the_encoder_lacks_are_refused_with_others_that_it_has():
    with pytest.raises(InputError, match=r"\[2, 5, 8, 11\].*blocks 0 to 7.*\[1, 3, 5, 7\]"):
        segmenter(backbone={"depth": 8}, interaction_indices=[2, 5, 8, 11])
    with pytest.raises(InputError, match=r"\[-1\].*blocks 0 to 2"):
        segmenter(interaction_indices=[-1])


@pytest.mark.parametrize(
    ("depth", "levels"),
    [(12, [2, 5, 8, 11]), (8, [1, 3, 5, 7]), (24, [5, 11, 17, 23]), (16, [3, 7, 11, 15]), (6, [0, 2, 3, 5]), (1, [0])],
)
def test_the_last_block_of_each_quarter_unless_others_are_given(depth, levels):
    network = segmenter(backbone={"depth": depth}, interaction_indices=None)
    assert network.aggregator.interaction_indices == levels


@pytest.mark.parametrize("tokens_per_group", [256, 5])
def test_activation_checkpointing_changes_no_value_and_keeps_a_fraction(tokens_per_group, monkeypatch):
    monkeypatch.setattr(patch_decoder, "_TOKENS_PER_GROUP", tokens_per_group)
    images, found, kept = torch.randn(2, 1, 32, 48), {}, {}
    for checkpointing in (False, True):
        network, sizes = segmenter(backbone={"activation_checkpointing": checkpointing}).train(), []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor, sizes=sizes: sizes.append(tensor.numel()) or tensor, lambda tensor: tensor
        ):
            logits = network(images)
        logits.square().mean().backward()
        found[checkpointing] = {name: p.grad for name, p in network.named_parameters()}
        found[checkpointing]["logits"], kept[checkpointing] = logits.detach(), sum(sizes)
    for name, expected in found[False].items():
        assert_close(found[True][name], expected, rtol=1e-4, atol=1e-5)
    assert kept[True] < kept[False] / 4
