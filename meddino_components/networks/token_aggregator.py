"""Combine the patch tokens of several blocks into one feature map."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .vision_transformer import DinoVisionTransformer


def even_levels(depth: int) -> list[int]:
    """Return the last block of each quarter of an encoder: 2, 5, 8 and 11 for twelve blocks, as published."""
    return sorted({max(depth * quarter // 4 - 1, 0) for quarter in (1, 2, 3, 4)})


class MultiScaleTokenAggregator(nn.Module):
    """Concatenate the patch tokens of chosen blocks along the channels.

    Each level passes through the backbone's final norm; CLS and storage tokens are dropped. One block index gives
    the single-scale variant.

    Args:
        interaction_indices: blocks to read; the result is in block order.

    Shape: images [B, C, H, W] -> [B, L * D, H / p, W / p] for L indices, in channels-last memory.

    Raises:
        ValueError: the list is empty or has repeated blocks; at the call, the backbone lacks a block.

    Reference: MedDINOv3, arXiv 2509.02379, section 3.1 (multi-scale token aggregation).
    """

    def __init__(self, *, interaction_indices: Sequence[int]) -> None:
        super().__init__()
        if len(set(interaction_indices)) != len(interaction_indices) or not interaction_indices:
            raise ValueError(f"interaction_indices must be distinct and not empty, got {list(interaction_indices)}")
        self.interaction_indices = sorted(interaction_indices)

    def forward(self, backbone: DinoVisionTransformer, images: Tensor) -> Tensor:
        maps = backbone.get_intermediate_layers(images, n=self.interaction_indices, reshape=True)
        return torch.cat(maps, dim=1)
