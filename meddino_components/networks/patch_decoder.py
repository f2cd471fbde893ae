"""Decode a feature map at 1/16 resolution into class logits at full resolution.

Four stages: transposed convolution (kernel 2, stride 2), layer norm over channels, GELU. None of these uses
neighbouring pixels, so a patch's pixels depend only on its token. The decoder therefore runs as four matrix products on
a [pixels, channels] matrix. Its rows are in quad-tree order - each row becomes the four rows of its sub-pixels - and
are brought into image order only at the end, when there are just K channels.

With ``activation_checkpointing``, tokens run through all stages in groups, and the backward pass recomputes each group
instead of storing all activations: the last stage alone has 64 times as many values as the first stage's input.

Without gradients on a CPU, the later stages, which have small weights and many rows, run in chunks of rows that fit
into the cache: their norms and activations then cost little compared with the matrix products.

Shapes: B batch, C channels, h x w patch grid, K classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .tracing import is_traced

# earlier stages have weights larger than a core's cache: splitting their rows would reload them many times
_FIRST_CHUNKED_STAGE = 2
# measured with ViT-B and ViT-tiny widths: 512 to 1024 rows are best, 256 and 4096 are a third slower
_ROWS_PER_CHUNK = 1024
# tokens of a group, for which the backward pass of ViT-B stores about half a gigabyte
_TOKENS_PER_GROUP = 256


class PatchExpansion(nn.Module):
    """One stage: each row of a [n, in_channels] matrix becomes four rows of [4 n, out_channels].

    ``up`` holds the parameters in the layout of the public checkpoints; its convolution is computed as a matrix
    product.
    """

    def __init__(self, *, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2)
        self.norm = nn.LayerNorm(out_channels, eps=1e-6)
        # channels-last memory makes the weight below a view instead of a copy; the values do not change
        self.up.weight.data = self.up.weight.data.contiguous(memory_format=torch.channels_last)

    def forward(self, rows: Tensor) -> Tensor:
        in_channels, out_channels = self.up.weight.shape[:2]
        weight = self.up.weight.permute(2, 3, 1, 0).reshape(4 * out_channels, in_channels)
        assert self.up.bias is not None
        expanded = F.linear(rows, weight, self.up.bias.repeat(4))
        return F.gelu(self.norm(expanded.view(-1, out_channels)))


class PatchDecoder(nn.Module):
    """Decode each patch token to the class logits of its 16 x 16 pixels.

    Args:
        in_channels: number of channels of the feature map; halved at each stage (3072 to 192 for ViT-B with four
            levels).
        num_classes: number of output channels K.
        n_stages: number of doublings of the resolution; the patch size is 2 ** n_stages.
        activation_checkpointing: whether to recompute the stages in the backward pass, one group of tokens at a time.

    Shape: [B, C, h, w] -> [B, K, 2 ** n_stages * h, 2 ** n_stages * w].

    Reference: MedDINOv3, arXiv 2509.02379, section 3.1; golden values of the official ``Primus`` classes.
    """

    def __init__(
        self, *, in_channels: int, num_classes: int, n_stages: int = 4, activation_checkpointing: bool = False
    ) -> None:
        super().__init__()
        self.activation_checkpointing = activation_checkpointing
        if in_channels % 2**n_stages:
            raise ValueError(f"in_channels {in_channels} cannot be halved {n_stages} times")
        self.stages = nn.ModuleList(
            PatchExpansion(in_channels=in_channels >> stage, out_channels=in_channels >> (stage + 1))
            for stage in range(n_stages)
        )
        self.head = nn.Conv2d(in_channels >> n_stages, num_classes, kernel_size=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, a=0.01)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, features: Tensor) -> Tensor:
        batch, channels, height, width = features.shape
        rows = features.permute(0, 2, 3, 1).reshape(-1, channels)
        if self.activation_checkpointing and torch.is_grad_enabled():
            groups = rows.split(_TOKENS_PER_GROUP)
            logits = torch.cat([checkpoint(self._decode, group, use_reentrant=False) for group in groups])
        elif rows.device.type == "cpu" and not (torch.is_grad_enabled() or is_traced()):
            rows = self._expand(rows, 0, _FIRST_CHUNKED_STAGE)
            chunks = rows.split(_ROWS_PER_CHUNK)
            logits = torch.cat([self._classify(self._expand(chunk, _FIRST_CHUNKED_STAGE)) for chunk in chunks])
        else:
            logits = self._decode(rows)
        return quad_tree_to_image(logits, batch, height, width, len(self.stages))

    def _decode(self, rows: Tensor) -> Tensor:
        return self._classify(self._expand(rows, 0))

    def _expand(self, rows: Tensor, first: int, last: int | None = None) -> Tensor:
        for stage in self.stages[first:last]:
            rows = stage(rows)
        return rows

    def _classify(self, rows: Tensor) -> Tensor:
        return F.linear(rows, self.head.weight.flatten(1), self.head.bias)


def quad_tree_to_image(rows: Tensor, batch: int, height: int, width: int, n_stages: int) -> Tensor:
    """Turn quad-tree rows [B * h * w * 4 ** s, K] into a channels-last image [B, K, h * 2 ** s, w * 2 ** s]."""
    # compute the order on row numbers first, so that whole rows of K classes are moved, not single values
    tree = torch.arange(height * width * 4**n_stages, device=rows.device).view(height, width, *(2, 2) * n_stages)
    # axes of the tree: 0 and 1 patch row and column, then (row, column) of each stage
    order = tree.permute(*range(0, 2 + 2 * n_stages, 2), *range(1, 2 + 2 * n_stages, 2)).flatten()
    image = rows.view(batch, order.numel(), -1).index_select(1, order)
    return image.view(batch, height * 2**n_stages, width * 2**n_stages, -1).permute(0, 3, 1, 2)
