"""Compute the cross-entropy against probabilities for tens of thousands of prototypes.

The gradient is computed piece by piece together with the value, and only the gradient is kept for the backward pass;
logits, targets and log-probabilities need not stay in memory for it.

Shapes: S student crops, T teacher crops, B samples, K prototypes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .row_slices import row_slices


def soft_cross_entropy(
    student_logits: Tensor,
    targets: Tensor,
    *,
    student_temp: float,
    weights: Tensor | None = None,
    excluded: Tensor | None = None,
) -> Tensor:
    r"""Weighted sum of cross-entropies,
    :math:`-\sum_{s,b} w_b \sum_k (q_{bk} - e_{sbk}) \log softmax(z_{sb} / \tau)_k`.

    It is computed in fp32 (fp64 for fp64 logits). The gradient flows only to the logits, and only once.

    Args:
        student_logits: scores z of the student, [S, B, K].
        targets: target probabilities q, [B, K]; rows need not sum to 1.
        student_temp: temperature tau of the student.
        weights: weight w of each sample, [B]; 1 if omitted.
        excluded: probabilities e, [T, B, K], subtracted from the targets of the student's first T crops.

    Returns:
        A scalar.
    """
    with_gradient = student_logits.requires_grad and torch.is_grad_enabled()
    return _SoftCrossEntropy.apply(student_logits, targets, student_temp, weights, excluded, with_gradient)


class _SoftCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        student_logits: Tensor,
        targets: Tensor,
        student_temp: float,
        weights: Tensor | None,
        excluded: Tensor | None,
        with_gradient: bool,
    ) -> Tensor:
        dtype = torch.promote_types(student_logits.dtype, torch.float32)
        loss = student_logits.new_zeros((), dtype=dtype)
        gradient = torch.empty_like(student_logits) if with_gradient else None
        for crop, crop_logits in enumerate(student_logits):
            for rows in row_slices(*crop_logits.shape):
                target = targets[rows].to(dtype)
                if excluded is not None and crop < len(excluded):
                    target = target - excluded[crop, rows]
                logits = crop_logits[rows].to(dtype, copy=True).div_(student_temp)
                log_probs = logits.sub_(logits.logsumexp(-1, keepdim=True))
                cross_entropy = -(target * log_probs).sum(-1)
                loss += (cross_entropy if weights is None else cross_entropy * weights[rows]).sum()
                if gradient is not None:
                    # softmax times the target's sum, minus the target
                    piece = log_probs.exp_().mul_(target.sum(-1, keepdim=True)).sub_(target).div_(student_temp)
                    gradient[crop, rows] = piece if weights is None else piece.mul_(weights[rows, None])
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad_output, None, None, None, None, None
