"""Sinkhorn-Knopp: teacher probabilities that use all prototypes equally, over all processes.

Shapes: N samples (or tokens) of this process, K prototypes.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from ..processes import reduce_over_processes
from .row_slices import row_slices


@torch.no_grad()
def sinkhorn_knopp(logits: Tensor, teacher_temp: float, n_iterations: int = 3) -> Tensor:
    r"""Assign samples to prototypes in a balanced way.

    From :math:`Q = \exp(z / \tau)`, each iteration divides every prototype by its total over the samples of all
    processes, then every sample by its total over the prototypes. The first division cancels any factor common to a
    prototype, so each prototype's largest value is first subtracted from :math:`z / \tau`: nothing overflows, no
    prototype vanishes, and the result equals that of the plain formula.

    It is computed in fp32 (fp64 for fp64 logits), in place in the returned matrix. Processes may hold different numbers
    of samples, even none, but all must call this function.

    Args:
        logits: scores of the prototypes [N, K].
        teacher_temp: temperature tau.
        n_iterations: number of iterations, at least 1.

    Returns:
        Probabilities [N, K]; every row sums to 1. They carry no gradient.

    Raises:
        ValueError: there is fewer than one iteration.

    Reference: Caron et al., Unsupervised learning of visual features by contrasting cluster assignments,
    arXiv 2006.09882, section 3.1; Cuturi, Sinkhorn distances, arXiv 1306.0895.
    """
    if n_iterations < 1:
        raise ValueError(f"n_iterations must be at least 1, got {n_iterations}")
    q = logits.to(torch.promote_types(logits.dtype, torch.float32), copy=True).div_(teacher_temp)
    slices = row_slices(*q.shape)

    highest = q.amax(0) if len(q) else q.new_full((q.shape[1],), -torch.inf)
    reduce_over_processes(highest, dist.ReduceOp.MAX)
    totals = torch.zeros_like(highest)
    for rows in slices:
        totals += q[rows].sub_(highest).exp().sum(0)
    reduce_over_processes(totals)
    totals.log_()
    for rows in slices:
        # the first iteration ends with logarithms: a sample far from every prototype would otherwise be 0 / 0
        q[rows] = q[rows].sub_(totals).softmax(-1)

    for _ in range(n_iterations - 1):
        totals = q.sum(0)
        reduce_over_processes(totals)
        q.div_(totals)
        q.div_(q.sum(1, keepdim=True))
    return q
