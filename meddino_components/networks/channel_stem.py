"""Match the image's channels to the backbone's."""

from __future__ import annotations

from torch import Tensor, nn


class ChannelStem(nn.Module):
    """Repeat one grey channel for a backbone that expects several; pass equal channel counts through.

    Shape: [B, in_channels, H, W] -> [B, out_channels, H, W].

    Raises:
        ValueError: channel counts that neither are equal nor start from one. Such networks adapt the patch embedding
            instead (`meddino_components.checkpoints.adapt_patch_embedding`), with ``in_chans`` of the backbone set.
    """

    def __init__(self, *, in_channels: int, out_channels: int) -> None:
        super().__init__()
        if in_channels not in (1, out_channels):
            raise ValueError(
                f"{in_channels} image channels cannot feed a backbone with in_chans={out_channels}: "
                f"build the backbone with in_chans={in_channels}"
            )
        self.in_channels, self.out_channels = in_channels, out_channels

    def forward(self, x: Tensor) -> Tensor:
        return x if x.shape[1] == self.out_channels else x.expand(-1, self.out_channels, -1, -1)
