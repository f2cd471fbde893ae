"""Sum over pixels for segmentation losses: exactly, reproducibly and in bounded memory.

Pixels are summed piece by piece in double precision: a sequential sum in fp32 is off by 2 % for a class on a third of
eight slices of 896 x 896 pixels. On a GPU nothing is added into classes by index, as the order of such additions varies
from run to run. The forward pass keeps only the logits; the backward pass computes the probabilities again.

Shapes: N pixels, K classes, R regions.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .row_slices import row_slices

# elements of a piece that fits into a core's cache; on a GPU, `row_slices` decides
_CPU_PIECE = 2**17


def softmax_sums(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the sums of p y, p and -log p y for each class, with p its softmax and y 1 on its pixels, else 0.

    Args:
        logits: logits [N, K]; the gradient flows to them, once.
        labels: class numbers [N], 0 to K - 1.

    Returns:
        Sums [3, K] in fp64.
    """
    sums: Tensor = _SoftmaxSums.apply(logits, labels)
    return sums


def sigmoid_sums(logits: Tensor, inside: Tensor) -> Tensor:
    """Return the sums of p y, p, -log p y and -log(1 - p) (1 - y) for each region, with p its sigmoid.

    Args:
        logits: logits [N, R]; the gradient flows to them, once.
        inside: y of the formula, boolean [N, R].

    Returns:
        Sums [4, R] in fp64.
    """
    sums: Tensor = _SigmoidSums.apply(logits, inside)
    return sums


class _SoftmaxSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        ctx.save_for_backward(logits, labels)
        sums = logits.new_zeros((3, logits.shape[1]), dtype=torch.float64)
        for rows in _pieces(logits):
            log_probs = _wide(logits[rows]).log_softmax(-1)
            of_label = log_probs.gather(1, labels[rows, None]).squeeze(1)
            sums[0] += _sum_by_class(of_label.exp(), labels[rows], logits.shape[1])
            sums[1] += _sum(log_probs.exp_())
            sums[2] -= _sum_by_class(of_label, labels[rows], logits.shape[1])
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_sums: Tensor) -> tuple[Tensor, None]:
        logits, labels = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        for rows in _pieces(logits):
            label, probs = labels[rows, None], _wide(logits[rows]).softmax(-1)
            of_overlap, of_size, of_error = grad_sums.to(probs.dtype)
            # this raises the logit of a pixel's label, and lowers all logits in proportion to their probabilities
            pull = of_overlap[label] * probs.gather(1, label) - of_error[label]
            piece = (of_size - (probs @ of_size)[:, None] - pull).mul_(probs)
            gradient[rows] = piece.scatter_(1, label, piece.gather(1, label) + pull)
        return gradient, None


class _SigmoidSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, inside: Tensor) -> Tensor:
        ctx.save_for_backward(logits, inside)
        sums = logits.new_zeros((4, logits.shape[1]), dtype=torch.float64)
        for rows in _pieces(logits):
            wide = _wide(logits[rows])
            within = inside[rows].to(wide.dtype)
            probs, errors = wide.sigmoid(), F.binary_cross_entropy_with_logits(wide, within, reduction="none")
            sums[1] += _sum(probs)
            sums[0] += _sum(probs.mul_(within))
            sums[3] += _sum(errors)
            sums[2] += _sum(errors.mul_(within))
        sums[3] -= sums[2]
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_sums: Tensor) -> tuple[Tensor, None]:
        logits, inside = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        for rows in _pieces(logits):
            probs = _wide(logits[rows]).sigmoid()
            within = inside[rows].to(probs.dtype)
            of_overlap, of_size, of_error, of_error_outside = grad_sums.to(probs.dtype)
            # dp = p (1 - p); the derivative of -log p is p - 1, that of -log(1 - p) is p
            from_dice = (1 - probs).mul_(of_size + of_overlap * within)
            from_error = of_error_outside + (of_error - of_error_outside) * within
            gradient[rows] = from_dice.add_(from_error).mul_(probs).sub_(of_error * within)
        return gradient, None


def _pieces(logits: Tensor) -> list[slice]:
    n_rows, n_columns = logits.shape
    return row_slices(n_rows, n_columns, _CPU_PIECE) if _on_cpu(logits) else row_slices(n_rows, n_columns)


def _on_cpu(values: Tensor) -> bool:
    return values.device.type == "cpu"


def _wide(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _sum(values: Tensor) -> Tensor:
    return values.sum(0, dtype=torch.float64)


def _sum_by_class(values: Tensor, labels: Tensor, n_classes: int) -> Tensor:
    """Sum values [n] by their labels [n]; returns [K]."""
    if _on_cpu(values):
        return torch.bincount(labels, values.double(), n_classes)
    # on a GPU, index_add would add in any order
    return _sum(values[:, None] * (labels[:, None] == torch.arange(n_classes, device=labels.device)))
