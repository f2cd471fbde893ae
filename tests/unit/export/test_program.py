"""One program for every size and number of slices."""

import pytest
import torch


# none of them the one it was traced on
@pytest.mark.parametrize("shape", [(1, 4, 32, 48), (2, 4, 32, 48), (1, 4, 112, 80), (3, 4, 112, 80)])
@torch.no_grad()
def test_gives_the_networks_own_numbers_at_any_size(network, program, shape):
    slices = torch.randn(shape)
    assert torch.equal(program.module()(slices), network(slices))


@torch.no_grad()
def test_positions_are_those_of_the_size(network, program):
    """A rotary table baked for one grid would be found: with the patches' order reversed, labels differ."""
    slices = torch.randn(1, 4, 112, 80)
    rope = network.backbone.rope_embed
    assert not torch.equal(rope(7, 5)[0], rope(5, 7)[0])
    swapped = program.module()(slices.transpose(2, 3))
    assert torch.equal(swapped, network(slices.transpose(2, 3)))


@pytest.mark.parametrize("shape", [(1, 4, 40, 48), (1, 4, 48, 16), (1, 3, 48, 48)])
def test_refuses_what_it_does_not_take(program, shape):
    with pytest.raises((AssertionError, RuntimeError)):
        program.module()(torch.zeros(shape))
