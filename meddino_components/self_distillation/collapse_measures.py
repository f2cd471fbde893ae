"""Measure how diverse the features and assignments of a batch are, over all processes.

All processes must call each function, and all get the same number; NaN if there are no rows or values are not finite.

Shapes: N rows of this process, D width, K prototypes, G global crops, B images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..losses.row_slices import row_slices
from ..processes import reduce_over_processes


@dataclass(frozen=True)
class PrototypeUse:
    """Statistics of the prototypes that the rows choose.

    Attributes:
        rows: number of rows of all processes.
        used: number of prototypes that have the highest score in some row.
        perplexity: exp of the entropy of how often each is chosen; ``used`` if these are chosen equally often.
        entropy: mean over rows of the entropy of a row's probabilities, in nats; 0 for one-hot, log K for uniform.
        entropy_of_mean: entropy of the mean over rows; 0 if all rows choose the same prototype.
    """

    rows: int
    used: int
    perplexity: float
    entropy: float
    entropy_of_mean: float

    @property
    def information(self) -> float:
        """Return how much assignments tell about rows, in nats: 0 if all are the same, at most log min(N, K)."""
        return self.entropy_of_mean - self.entropy


def effective_rank(rows: Tensor) -> float:
    r"""Return exp of the entropy of the singular values, after dividing them by their sum.

    It is 1 if all rows are multiples of one vector, and min(N, D) if all directions are used equally. The mean is not
    subtracted: rows that differ only by noise have rank 1. It is computed from the moments [D, D] in fp64, summed over
    processes, so singular values are accurate to 1e-8 of the largest.

    Args:
        rows: features [N, D].

    Reference: Roy and Vetterli, The effective rank, EUSIPCO 2007; Garrido et al., RankMe, arXiv 2210.02885.
    """
    x = rows.detach().double()
    moments = reduce_over_processes(x.T @ x)
    if not bool(moments.isfinite().all()) or not float(moments.trace()) > 0:
        return math.nan
    values = torch.linalg.eigvalsh(moments).clamp_(min=0).sqrt_()
    return float(_entropy(values / values.sum()).exp())


def prototype_use(logits: Tensor, *, temperature: float, max_rows: int = 2048) -> PrototypeUse:
    """Return choices and entropies of softmax(logits / temperature).

    The losses use the Sinkhorn-Knopp assignment instead. By construction it uses all prototypes equally, so its mean
    would look healthy whatever the network does.

    Args:
        logits: scores of the prototypes [N, K].
        temperature: temperature of the teacher.
        max_rows: largest number of rows per process, evenly spaced, for the entropies.
    """
    logits = logits.detach()
    n_prototypes = logits.shape[1]
    chosen = reduce_over_processes(torch.bincount(logits.argmax(1), minlength=n_prototypes).double())
    sample = evenly(logits, max_rows)
    # the last two entries hold the sum of entropies and the number of rows
    sums = torch.zeros(n_prototypes + 2, dtype=torch.float64, device=logits.device)
    for piece in row_slices(*sample.shape):
        log_probs = (sample[piece].float() / temperature).log_softmax(1)
        probs = log_probs.exp()
        sums[:-2] += probs.sum(0)
        sums[-2] -= (probs * log_probs).sum()
    sums[-1] = len(sample)
    sums = reduce_over_processes(sums)
    n_rows, n_sampled = int(chosen.sum()), float(sums[-1])
    if not n_rows:
        return PrototypeUse(0, 0, math.nan, math.nan, math.nan)
    return PrototypeUse(
        rows=n_rows,
        used=int((chosen > 0).sum()),
        perplexity=float(_entropy(chosen / n_rows).exp()),
        entropy=float(sums[-2]) / n_sampled,
        entropy_of_mean=float(_entropy(sums[:-2] / n_sampled)),
    )


def agreement(student: Tensor, teacher: Tensor) -> float:
    """Return how often student and teacher choose the same prototype for different global crops of an image.

    Args:
        student: logits of the student [G, B, K].
        teacher: logits of the teacher [G, B, K].
    """
    return _over_pairs((student.detach().argmax(-1)[:, None] == teacher.detach().argmax(-1)[None]).double())


def cosine_agreement(student: Tensor, teacher: Tensor) -> float:
    """Return the mean cosine of the student's vector for a crop and the teacher's for another crop, both [G, B, D]."""
    a, b = (F.normalize(x.detach().float(), dim=-1) for x in (student, teacher))
    return _over_pairs(torch.einsum("gbd,hbd->ghb", a, b).double())


def evenly(rows: Tensor, at_most: int) -> Tensor:
    """Return every n-th row as a view, so that no more than ``at_most`` remain."""
    return rows[:: max(1, math.ceil(len(rows) / at_most))]


def _over_pairs(values: Tensor) -> float:
    """Average [G, G, B] over images and pairs of different crops, or the crop itself if there is only one."""
    n_crops = len(values)
    if n_crops > 1:
        values = values[~torch.eye(n_crops, dtype=torch.bool, device=values.device)]
    total, number = reduce_over_processes(torch.stack((values.sum(), values.new_tensor(values.numel())))).tolist()
    return total / number if number else math.nan


def _entropy(probs: Tensor) -> Tensor:
    return torch.special.entr(probs).sum()
