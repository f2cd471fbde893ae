"""The KoLeo loss: spread the images of a batch evenly over the sphere.

Shapes: B images of this process, R processes that search for neighbours together, D width, k neighbours.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from ..processes import rank_and_size
from .collectives import parts_of_all

_EPS = 1e-8


class KoLeoLoss(nn.Module):
    r"""Kozachenko-Leonenko estimator of differential entropy, with the sign changed.

    .. math::
        L = -\frac{1}{B k} \sum_i \sum_{j \in N_k(i)} \log(\lVert x_i - x_j \rVert + \epsilon)

    with x of unit length and the k nearest neighbours of :math:`x_i` by cosine, among the images of all processes. The
    value is the mean over this process's images; its mean over processes equals the value for one process with all
    images, and so does the gradient that DDP averages. Gathering passes gradients to images of other processes.

    Args:
        topk: number of neighbours k.
        ranks_per_group: number of consecutive processes that search for neighbours together; 1 means each process
            alone, None all.

    Shape: x [B, D], with the same B on every process; returns a scalar.

    Raises:
        ValueError: there are too few images for the neighbours, or the processes do not divide into the groups.

    Reference: Sablayrolles et al., Spreading vectors for similarity search, arXiv 1806.03198, equation 3.
    """

    def __init__(self, *, topk: int = 1, ranks_per_group: int | None = None) -> None:
        super().__init__()
        self.topk, self.ranks_per_group = topk, ranks_per_group
        self._group: dist.ProcessGroup | None = None

    def forward(self, x: Tensor) -> Tensor:
        # autocast would search for neighbours in low precision
        with torch.autocast(x.device.type, enabled=False):
            x = F.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=-1, eps=_EPS)
            candidates, first_own = self._candidates(x)
            if len(candidates) <= self.topk:
                raise ValueError(
                    f"{self.topk} nearest neighbours need at least {self.topk + 1} images, got {len(candidates)}: "
                    "increase the batch size or omit the KoLeo loss"
                )
            neighbours = candidates[self._nearest(x, candidates, first_own)]
            distances = F.pairwise_distance(x[:, None], neighbours, eps=_EPS)
            return -(distances + _EPS).log().mean()

    @torch.no_grad()
    def _nearest(self, x: Tensor, candidates: Tensor, first_own: int) -> Tensor:
        """Return the indices of each image's neighbours among the candidates, [B, k]."""
        cosines = x @ candidates.T
        cosines[:, first_own : first_own + len(x)].fill_diagonal_(-torch.inf)
        return cosines.topk(self.topk).indices

    def _candidates(self, x: Tensor) -> tuple[Tensor, int]:
        """Return all images to search, [R B, D], and the index of this process's first image."""
        rank, n_ranks = rank_and_size()
        size = self.ranks_per_group or n_ranks
        if n_ranks % size:
            raise ValueError(f"{n_ranks} processes do not divide into groups of {size} (ranks_per_group)")
        if size == 1:
            return x, 0
        if size < n_ranks and self._group is None:
            self._group, _ = dist.new_subgroups(size)
        return torch.cat(parts_of_all(x, self._group)), rank % size * len(x)
