"""Match the number of image channels to the backbone's."""

from __future__ import annotations

from torch import Tensor, nn


class ChannelStem(nn.Module):
    """Repeat one grey channel for a backbone that expects several; leave images with the right number unchanged.

    Shape: [B, in_channels, H, W] -> [B, out_channels, H, W].

    Raises:
        ValueError: the numbers of channels differ, and the image has more than one. Set ``in_chans`` of the backbone
            instead, which adapts the patch embedding (`meddino_components.checkpoints.adapt_patch_embedding`).
    """

    def __init__(self, *, in_channels: int, out_channels: int) -> None:
        super().__init__()
        if in_channels not in (1, out_channels):
            raise ValueError(
                f"{in_channels} image channels do not fit a backbone with in_chans={out_channels}: "
                f"build the backbone with in_chans={in_channels}"
            )
        self.in_channels, self.out_channels = in_channels, out_channels

    def forward(self, x: Tensor) -> Tensor:
        return x if x.shape[1] == self.out_channels else x.expand(-1, self.out_channels, -1, -1)
