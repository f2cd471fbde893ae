"""The MedDINOv3 segmentation network: channel stem, backbone, token aggregation, patch decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError
from .channel_stem import ChannelStem
from .patch_decoder import PatchDecoder
from .token_aggregator import MultiScaleTokenAggregator, even_levels
from .vision_transformer import DinoVisionTransformer


class MedDinoSegmenter(nn.Module):
    """Slice in, class logits of every pixel out.

    Args:
        backbone: the encoder; its patch size must be a power of 2. The decoder recomputes activations where it does.
            Another module than a DINOv3 needs ``in_chans``, ``embed_dim``, ``depth``, ``patch_size``,
            ``activation_checkpointing`` and ``get_intermediate_layers(images, n, reshape=True)``.
        num_classes: output channels K, the background included where there is one.
        in_channels: image channels; 1 is repeated to the backbone's.
        interaction_indices: blocks whose tokens are decoded; None takes the last of each quarter of the encoder, the
            last block alone is the single-scale variant.
        dropout: share of the decoder's inputs set to 0 in training mode; MONAI Label's epistemic scoring sets it.

    Shape: [B, in_channels, H, W] -> [B, K, H, W], H and W multiples of the patch size.

    Raises:
        InputError: the backbone has not all of these blocks, or its patch size is no power of 2.
        ValueError: an input size that is no multiple of the patch size, at the call.

    Reference: MedDINOv3, arXiv 2509.02379, section 3.1.
    """

    def __init__(
        self,
        *,
        backbone: DinoVisionTransformer,
        num_classes: int,
        in_channels: int = 1,
        interaction_indices: Sequence[int] | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}")
        self.dropout = dropout
        self.stem = ChannelStem(in_channels=in_channels, out_channels=backbone.in_chans)
        self.backbone = backbone
        levels = even_levels(backbone.depth) if interaction_indices is None else interaction_indices
        self.aggregator = MultiScaleTokenAggregator(interaction_indices=levels)
        blocks = self.aggregator.interaction_indices
        if not 0 <= blocks[0] <= blocks[-1] < backbone.depth:
            raise InputError(
                f"interaction_indices is {blocks}, and the backbone has the blocks 0 to {backbone.depth - 1}: leave "
                f"it out, which takes {even_levels(backbone.depth)}, or give others"
            )
        n_stages = backbone.patch_size.bit_length() - 1
        if 2**n_stages != backbone.patch_size:
            raise InputError(
                f"the decoder doubles the resolution, so patch_size {backbone.patch_size} must be a power of 2: "
                "bring the encoder to another by import_weights with --patch_size 16"
            )
        self.decoder = PatchDecoder(
            in_channels=backbone.embed_dim * len(self.aggregator.interaction_indices),
            num_classes=num_classes,
            n_stages=n_stages,
            activation_checkpointing=backbone.activation_checkpointing,
        )

    def forward(self, x: Tensor) -> Tensor:
        patch_size = self.backbone.patch_size
        if x.shape[-2] % patch_size or x.shape[-1] % patch_size:
            raise ValueError(f"height and width must be multiples of {patch_size}, got {tuple(x.shape[-2:])}")
        features = self.aggregator(self.backbone, self.stem(x))
        if self.dropout:
            features = F.dropout(features, self.dropout, self.training)
        return self.decoder(features)
