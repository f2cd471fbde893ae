"""Logits of the labels that were annotated in a sample: the other ones join the background.

Shapes: B batch, K classes (0 is background), ... spatial axes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def marginal_logits(logits: Tensor, annotated: Tensor) -> Tensor:
    r"""Return logits whose softmax gives the background the probabilities of the classes that were not annotated.

    .. math::
        z'_0 = \log \Big(e^{z_0} + \sum_{k \notin A} e^{z_k}\Big), \quad z'_k = z_k \; (k \in A), \quad
        z'_k = -\infty \; (k \notin A)

    with A the classes that were annotated in the sample. A voxel that nobody labelled may belong to any class outside
    A, so only the sum of their probabilities is known. Logits of samples with all classes stay as they are.

    Args:
        logits: logits z, [B, K, ...]; the gradient flows to them, once.
        annotated: which classes A of each sample were annotated, boolean [B, K]; the background always counts as one.

    Returns:
        Logits [B, K, ...], in fp32 if the precision of ``logits`` is lower.

    Reference: Fidon et al., Label-set loss functions for partial supervision, arXiv 2107.03846; Shi et al., Marginal
        loss and exclusion loss, arXiv 2007.03868.
    """
    merged: Tensor = _Marginal.apply(logits, annotated)
    return merged


class _Marginal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, annotated: Tensor) -> Tensor:
        ctx.save_for_backward(logits, annotated)
        merged = logits.to(torch.promote_types(logits.dtype, torch.float32), copy=True)
        for sample, joined in _joined(annotated):
            merged[sample, 0] = merged[sample, joined].logsumexp(0)
            merged[sample, joined[1:]] = -torch.inf
        return merged

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        logits, annotated = ctx.saved_tensors
        of_logits = gradient.to(logits.dtype, copy=True)
        for sample, joined in _joined(annotated):
            shares = logits[sample, joined].to(gradient.dtype).softmax(0)
            of_logits[sample, joined] = (shares * gradient[sample, 0]).to(logits.dtype)
        return of_logits, None


def _joined(annotated: Tensor) -> list[tuple[int, Tensor]]:
    """Return for each sample that lacks classes its number, and the classes that are summed: first the background."""
    lacking = ~annotated
    lacking[:, 0] = True
    return [(sample, classes.nonzero()[:, 0]) for sample, classes in enumerate(lacking) if classes[1:].any()]
