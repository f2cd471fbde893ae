"""Centred softmax: teacher probabilities by centring and sharpening, the alternative to Sinkhorn-Knopp.

Shapes: N samples (or tokens) of this process, K prototypes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..processes import reduce_over_processes


class CenteredSoftmax(nn.Module):
    r"""Softmax of the teacher's scores minus their running mean: :math:`p = softmax((z - c) / \tau)`.

    `update_center` moves the centre, :math:`c \leftarrow m c + (1 - m) \bar z`, with the mean over the samples of all
    processes. Call it after `forward`, so that earlier batches decide how a batch is centred.

    Args:
        n_prototypes: number of prototypes K.
        center_momentum: momentum m of the running mean.

    Shape: logits [..., K] to probabilities of the same shape, in fp32 (fp64 for fp64 logits) without gradient. The
    buffer ``center`` is [1, K].

    Reference: Caron et al., Emerging properties in self-supervised vision transformers, arXiv 2104.14294, equation 4.
    """

    center: Tensor

    def __init__(self, *, n_prototypes: int, center_momentum: float = 0.9) -> None:
        super().__init__()
        self.center_momentum = center_momentum
        self.register_buffer("center", torch.zeros(1, n_prototypes))

    @torch.no_grad()
    def forward(self, teacher_logits: Tensor, teacher_temp: float) -> Tensor:
        return (teacher_logits - self.center).div_(teacher_temp).softmax(-1)

    @torch.no_grad()
    def update_center(self, teacher_logits: Tensor) -> None:
        """Move the centre towards the mean of these scores, [..., K]; all processes must call this."""
        rows = teacher_logits.flatten(0, -2)
        # the number of samples is summed, too, as processes may hold different numbers
        sums = torch.cat((rows.sum(0, dtype=self.center.dtype), self.center.new_tensor([len(rows)])))
        reduce_over_processes(sums)
        mean = sums[:-1] / sums[-1].clamp(min=1)
        # without samples the centre stays: a weight of 0 achieves this without waiting for the GPU
        self.center.lerp_(mean, (1 - self.center_momentum) * (sums[-1] > 0).to(mean.dtype))
