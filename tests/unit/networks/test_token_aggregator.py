"""Tokens of several blocks as one map."""

import pytest
import torch
from torch.testing import assert_close

from meddino_components.networks import DinoVisionTransformer, MultiScaleTokenAggregator
from meddino_components.networks.token_aggregator import even_levels


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    return DinoVisionTransformer(embed_dim=32, depth=3, num_heads=2, n_storage_tokens=2, layerscale_init=1.0).eval()


@torch.no_grad()
def test_aggregator_stacks_levels_in_block_order(backbone):
    images = torch.randn(2, 3, 32, 48)
    maps = MultiScaleTokenAggregator(interaction_indices=[2, 0])(backbone, images)
    first, last = backbone.get_intermediate_layers(images, n=[0, 2], reshape=True)
    assert torch.equal(maps, torch.cat([first, last], dim=1))


@pytest.mark.parametrize("indices", [[], [1, 1]])
def test_aggregator_refuses_no_or_repeated_levels(indices):
    with pytest.raises(ValueError, match="distinct and not empty"):
        MultiScaleTokenAggregator(interaction_indices=indices)


@torch.no_grad()
def test_each_level_passes_through_the_last_norm_without_cls_and_storage_tokens(backbone):
    torch.nn.init.normal_(backbone.norm.weight)
    images = torch.randn(1, 3, 32, 48)
    maps = MultiScaleTokenAggregator(interaction_indices=[2])(backbone, images)
    # the last block's tokens, normalised, in the order of the grid
    patches = backbone.norm(backbone.forward_features(images)["x_prenorm"])[:, 3:]
    assert_close(maps, patches.transpose(1, 2).unflatten(2, (2, 3)))
    assert maps.is_contiguous(memory_format=torch.channels_last)


def test_blocks_that_the_backbone_lacks_are_refused_at_the_call(backbone):
    with pytest.raises(ValueError, match="blocks 0 to 2"):
        MultiScaleTokenAggregator(interaction_indices=[0, 3])(backbone, torch.zeros(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("depth", "levels"),
    [(12, [2, 5, 8, 11]), (24, [5, 11, 17, 23]), (40, [9, 19, 29, 39]), (5, [0, 1, 2, 4]), (3, [0, 1, 2]), (1, [0])],
)
def test_even_levels(depth, levels):
    assert even_levels(depth) == levels
