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
    """Segment slices: return the class logits of every pixel.

    Args:
        backbone: encoder; its patch size must be a power of 2. If it recomputes activations, so does the decoder. A
            module other than a DINOv3 needs ``in_chans``, ``embed_dim``, ``depth``, ``patch_size``,
            ``activation_checkpointing`` and ``get_intermediate_layers(images, n, reshape=True)``.
        num_classes: number of output channels K, including the background if there is one.
        in_channels: number of image channels; a single one is repeated for the backbone.
        interaction_indices: blocks whose tokens are decoded; None uses the last block of each quarter of the encoder.
            The last block alone is the single-scale variant.
        dropout: share of the decoder's inputs set to 0 in training mode; used by MONAI Label's epistemic scoring.

    Shape: [B, in_channels, H, W] -> [B, K, H, W], H and W multiples of the patch size.

    Raises:
        InputError: the backbone lacks one of these blocks, or its patch size is not a power of 2.
        ValueError: at the call, the input size is not a multiple of the patch size.

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
                f"interaction_indices is {blocks}, but the backbone has blocks 0 to {backbone.depth - 1}: omit it, "
                f"which uses {even_levels(backbone.depth)}, or give others"
            )
        n_stages = backbone.patch_size.bit_length() - 1
        if 2**n_stages != backbone.patch_size:
            raise InputError(
                f"the decoder doubles the resolution, so patch_size {backbone.patch_size} must be a power of 2: "
                f"convert the encoder with import_weights --patch_size 16"
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
