"""Channels of an image and of the backbone."""

import pytest
import torch

from meddino_components.networks.channel_stem import ChannelStem


def test_stem_repeats_one_channel_and_passes_equal_counts_through():
    grey, colour = torch.randn(2, 1, 4, 5), torch.randn(2, 3, 4, 5)
    assert torch.equal(ChannelStem(in_channels=1, out_channels=3)(grey), grey.repeat(1, 3, 1, 1))
    assert ChannelStem(in_channels=3, out_channels=3)(colour) is colour
    with pytest.raises(ValueError, match="build the backbone with in_chans=4"):
        ChannelStem(in_channels=4, out_channels=3)
