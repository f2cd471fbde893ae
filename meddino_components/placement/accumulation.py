"""A batch that does not fit into memory at once, in pieces, with the gradient of the whole.

The usual accumulation adds up the gradients of the pieces' own losses. That is another loss than the one of the batch
wherever samples share a sum: batch Dice divides sums over all pixels of the batch, class weights count them, and the
mean of four Dice values of two slices each is not that of eight slices. So the logits of all pieces come first, without
what their backward pass would need, and the loss is taken of all of them at once. In the backward pass each piece is
computed again, with the random numbers that it had, and gives its part of the gradient. That is
`torch.utils.checkpoint` with a whole network for a block. A trainer, the loss, clipping, schedules and DDP see one step
with one large batch, and any loss will do. What one piece needs stays in memory, and the logits of the batch. The price
is a second forward pass: a third more work.

Reference: Chen et al., Training deep nets with sublinear memory cost, arXiv 1604.06174; Gao et al., Scaling deep
contrastive learning batch size under memory limited setup (gradient cache), arXiv 2101.06983.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class InPieces(nn.Module):
    """A network that runs over each batch of training piece by piece; otherwise it is called as it is.

    Args:
        module: the network, under the name that a DDP wrapper gives it. Layers that see a whole batch, such as batch
            norm, see a piece, and twice.
        n_pieces: pieces of a batch.

    Shape: images [B, ...] to what the network gives, [B, ...] or a list of such (deep supervision).
    """

    def __init__(self, module: nn.Module, *, n_pieces: int) -> None:
        super().__init__()
        self.module, self.n_pieces = module, n_pieces

    def forward(self, images: Tensor) -> Any:
        if not (self.training and torch.is_grad_enabled()):
            return self.module(images)
        pieces = [piece for piece in images.tensor_split(self.n_pieces) if len(piece)]
        outputs = [checkpoint(self.module, piece, use_reentrant=False) for piece in pieces]
        if isinstance(outputs[0], Tensor):
            return torch.cat(outputs)
        return [torch.cat(level) for level in zip(*outputs, strict=True)]
