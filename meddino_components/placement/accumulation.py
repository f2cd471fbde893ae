"""Run a batch that does not fit into memory in pieces, with the gradient of the whole batch.

The usual accumulation adds the gradients of the pieces' own losses. This differs from the loss of the batch if samples
share a sum: batch Dice divides sums over all pixels of the batch, class weights count its pixels, and the mean of four
Dice values of two slices each is not the Dice of eight slices. Here the logits of all pieces are computed first,
without storing activations, and the loss is computed on all of them at once. The backward pass computes each piece
again, with the same random numbers, for its part of the gradient. This is `torch.utils.checkpoint` with the whole
network as a block. Trainer, loss, clipping, schedules and DDP see one step with one large batch, and any loss works.
Memory holds the activations of one piece and the logits of the batch. The price is a second forward pass: a third more
work.

Reference: Chen et al., Training deep nets with sublinear memory cost, arXiv 1604.06174; Gao et al., Scaling deep
contrastive learning batch size under memory limited setup (gradient cache), arXiv 2101.06983.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class InPieces(nn.Module):
    """A network that processes each training batch piece by piece; in evaluation mode it is called directly.

    Args:
        module: network to run; the attribute has the same name as in a DDP wrapper. Layers that depend on the batch,
            such as batch norm, see each piece, and see it twice.
        n_pieces: number of pieces per batch.

    Shape: images [B, ...] to the network's output, [B, ...] or a list of such (deep supervision).
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
