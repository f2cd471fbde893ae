"""Logistic regression on features: how much of a label a plane can read from them.

Shapes: N samples, D width, K classes (or labels).
"""

from __future__ import annotations

import logging

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

logger = logging.getLogger(__name__)

_CHUNK = 16_384  # samples scored at once


class LinearProbe:
    r"""Multinomial logistic regression, or one binary regression a label, on standardised features.

    Each feature is brought to mean 0 and standard deviation 1 over the training samples (a constant one to 0). Then

    .. math:: \sum_n -\log p(y_n | x_n) + \frac{\lambda}{2} \lVert W \rVert^2

    is minimised by L-BFGS from zero, the bias unpenalised: no chance is involved. With two classes one plane is fitted
    instead of two, so that the penalty means what it means in scikit-learn's `LogisticRegression(C=1 / l2)`; with
    several labels each has a plane of its own, all with the same penalty. A class without training sample gets score 0.

    Computed in the features' precision, at least fp32, on their device; losses are summed in fp64.

    Args:
        l2: lambda.
        max_iterations: of L-BFGS; a fit that needs more is logged.
        tolerance: greatest absolute gradient of the mean loss at which it ends.

    Reference: Liu and Nocedal, On the limited memory BFGS method for large scale optimization, Mathematical
    Programming 1989; linear probing of frozen features: Oquab et al., DINOv2, arXiv 2304.07193, section 7.1.
    """

    def __init__(self, *, l2: float = 1.0, max_iterations: int = 1000, tolerance: float = 1e-5) -> None:
        self.l2, self.max_iterations, self.tolerance = l2, max_iterations, tolerance
        self.mean = self.std = self.weight = self.bias = torch.empty(0)
        self.classes = torch.empty(0, dtype=torch.int64)
        self.n_classes = 0

    def fit(self, features: Tensor, labels: Tensor, *, n_classes: int) -> LinearProbe:
        """Find the planes.

        Args:
            features: [N, D].
            labels: classes [N], or for several labels a sample 0 and 1 [N, K].
            n_classes: K.

        Returns:
            itself, with ``weight`` [D, planes] and ``bias`` [planes] for standardised features.

        Raises:
            ValueError: no sample, or shapes or labels that do not match.
        """
        if features.ndim != 2 or not len(features) or len(labels) != len(features):
            raise ValueError(f"features {list(features.shape)} do not go with labels {list(labels.shape)}")
        self.n_classes, self.multi_label = n_classes, labels.ndim == 2
        labels = labels.to(features.device)
        x = features.to(torch.promote_types(features.dtype, torch.float32))
        self.std, self.mean = torch.std_mean(x, dim=0, correction=0)
        # rounding leaves a constant feature a deviation near 0, which must not be blown up
        floor = 10 * torch.finfo(x.dtype).eps * self.mean.abs()
        self.std = torch.where(self.std <= floor, torch.ones_like(self.std), self.std)
        self.weight, self.bias = self._minimize((x - self.mean) / self.std, self._targets(labels))
        return self

    def scores(self, features: Tensor) -> Tensor:
        """Probabilities [N, K] for features [N, D]; rows sum to 1 unless there are several labels a sample."""
        parts = [self._chunk_scores(chunk) for chunk in features.split(_CHUNK)]
        return torch.cat(parts) if parts else self.bias.new_zeros(0, self.n_classes)

    def _chunk_scores(self, features: Tensor) -> Tensor:
        logits = ((features.to(self.mean.dtype) - self.mean) / self.std) @ self.weight + self.bias
        if self.multi_label:
            return logits.sigmoid()
        scores = logits.new_zeros(len(features), self.n_classes)
        if len(self.classes) == 2:
            logits = torch.cat((torch.zeros_like(logits), logits), 1)
        scores[:, self.classes] = logits.softmax(1)
        return scores

    def _targets(self, labels: Tensor) -> Tensor:
        """[N, planes] of 0 and 1 (``binary`` planes), or class numbers among those present [N]."""
        if self.multi_label:
            if labels.shape[1] != self.n_classes:
                raise ValueError(f"labels are {list(labels.shape)}, expected {self.n_classes} columns")
            return labels.double()
        self.classes, numbers = labels.unique(return_inverse=True)
        if int(self.classes[0]) < 0 or int(self.classes[-1]) >= self.n_classes:
            raise ValueError(f"labels are {self.classes.tolist()}, expected 0 to {self.n_classes - 1}")
        return numbers.double()[:, None] if len(self.classes) == 2 else numbers

    def _minimize(self, x: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        n, width = x.shape
        planes = targets.shape[1] if targets.ndim == 2 else len(self.classes)

        def loss_and_gradient(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            """Of the mean over samples, so that the tolerance does not depend on their number."""
            table = torch.from_numpy(parameters).view(width + 1, planes)
            weight = table[:-1].to(x)
            logits = (x @ weight).double() + table[-1].to(x.device)
            if targets.ndim == 2:
                loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="sum")
                residual = logits.sigmoid() - targets
            else:
                log_probabilities = logits.log_softmax(1)
                loss = F.nll_loss(log_probabilities, targets, reduction="sum")
                residual = log_probabilities.exp_()
                residual[torch.arange(n, device=x.device), targets] -= 1
            gradient = torch.empty_like(table)
            # in this order twice as fast as x.T @ residual: the long matrix is read along its rows
            gradient[:-1] = (residual.to(x.dtype).T @ x).T.double().cpu() + self.l2 * table[:-1]
            gradient[-1] = residual.sum(0).cpu()
            penalty = self.l2 / 2 * float(table[:-1].square().sum())
            return (float(loss) + penalty) / n, (gradient / n).numpy().ravel()

        result = minimize(
            loss_and_gradient,
            np.zeros((width + 1) * planes),
            jac=True,
            method="L-BFGS-B",
            # the relative decrease at which it would end is that of fp64 rounding: the gradient decides
            options={"maxiter": self.max_iterations, "gtol": self.tolerance, "ftol": 64 * np.finfo(float).eps},
        )
        if result.nit >= self.max_iterations:
            logger.warning(
                "the linear probe did not converge in %d iterations: raise max_iterations or l2", self.max_iterations
            )
        table = torch.from_numpy(result.x).view(width + 1, planes).to(x)
        return table[:-1], table[-1]
