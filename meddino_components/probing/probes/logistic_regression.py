"""Logistic regression on features: how much of a label a plane can read from them.

Shapes: N samples, D width, K classes (or labels).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from ...bundle.kinds import number, read_fields, several, whole
from ...errors import InputError
from ..statistics.class_counts import mean_auc
from .probe import LabelledFeatures, Probe, ProbeScores
from .standardisation import Standardisation

logger = logging.getLogger(__name__)

_CHUNK = 16_384  # samples scored at once


@dataclass(frozen=True, kw_only=True)
class LogisticRegression(Probe):
    r"""Multinomial logistic regression, or one binary regression a label, on standardised features.

    .. math:: \sum_n -\log p(y_n | x_n) + \frac{\lambda}{2} \lVert W \rVert^2

    is minimised by L-BFGS, starting from zero; the bias is not penalised. Nothing is random. For two classes a single
    plane is fitted, so that the penalty equals that of scikit-learn's `LogisticRegression(C=1 / l2)`. With several
    labels each label has its own plane and all share the penalty. A class without training samples gets score 0.

    Computations use the features' precision, at least fp32, and their device; losses are summed in fp64.

    Attributes:
        l2: penalty lambda. From a list, the penalty with the best AUC on the validation split is chosen; the first one
            if several are equal.
        max_iterations: largest number of iterations of L-BFGS; a fit that needs more logs a warning.
        tolerance: largest absolute gradient of the mean loss at which L-BFGS stops.
        name: name in tables.

    Raises:
        InputError: a penalty below 0, an empty list, a count below 1, or a tolerance of 0 or less.

    Reference: Liu and Nocedal, On the limited memory BFGS method for large scale optimization, Mathematical
    Programming 1989; probing of frozen features: Oquab et al., DINOv2, arXiv 2304.07193, section 7.1.
    """

    l2: float | Sequence[float] = 1.0
    max_iterations: int = 1000
    tolerance: float = 1e-5
    name: str = "logistic"

    def __post_init__(self) -> None:
        penalties = several(number(0), "a number of at least 0, or a list of them", at_least=1)
        read_fields(self, l2=penalties, max_iterations=whole(1), tolerance=number(above=0))

    def score(self, features: LabelledFeatures) -> ProbeScores:
        """Probabilities of the test samples; rows sum to 1 unless samples have several labels.

        Raises:
            InputError: there are several penalties but no validation split to choose from.
            ValueError: see `fit`.
        """
        penalties = self._penalties()
        if len(penalties) > 1 and "val" not in features.vectors:
            raise InputError(
                f"l2 of LogisticRegression is {penalties}; expected one number, since there is no validation split to "
                "choose it on"
            )
        if len(penalties) > 1:
            penalties = [max(penalties, key=lambda l2: self._validation_auc(features, l2))]
        fitted = self._fitted(features, penalties[0])
        return ProbeScores(scores=fitted.scores(features.vectors["test"]))

    def fit(self, features: Tensor, labels: Tensor, *, n_classes: int) -> Planes:
        """Fit the planes with the only penalty.

        Args:
            features: training features [N, D].
            labels: classes [N], or 0 and 1 for each of several labels [N, K].
            n_classes: K.

        Raises:
            ValueError: there is no sample, there are several penalties, or shapes or labels do not match.
        """
        if len(self._penalties()) > 1:
            raise ValueError(f"fit takes one penalty, got {self.l2}")
        if features.ndim != 2 or not len(features) or len(labels) != len(features):
            raise ValueError(f"features {list(features.shape)} do not go with labels {list(labels.shape)}")
        targets, classes = _targets(labels.to(features.device), n_classes)
        x = features.to(torch.promote_types(features.dtype, torch.float32))
        standardised = Standardisation.of(x)
        weight, bias = self._minimize(standardised(x), targets, self._penalties()[0])
        return Planes(standardised=standardised, weight=weight, bias=bias, classes=classes, n_classes=n_classes)

    def _penalties(self) -> list[float]:
        return [self.l2] if isinstance(self.l2, float) else list(self.l2)

    def _fitted(self, features: LabelledFeatures, l2: float) -> Planes:
        training, labels = features.vectors["train"], features.targets["train"]
        return replace(self, l2=l2).fit(training, labels, n_classes=features.n_classes)

    def _validation_auc(self, features: LabelledFeatures, l2: float) -> float:
        truth = features.targets["val"]
        scores = self._fitted(features, l2).scores(features.vectors["val"])
        auc = mean_auc(scores, F.one_hot(truth, features.n_classes) if truth.ndim == 1 else truth)
        return auc if np.isfinite(auc) else 0.0

    def _minimize(self, x: Tensor, targets: Tensor, l2: float) -> tuple[Tensor, Tensor]:
        """Weight [D, planes] and bias [planes]."""
        n, width = x.shape
        planes = targets.shape[1] if targets.ndim == 2 else int(targets.max()) + 1

        def loss_and_gradient(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            """Loss and gradient of the mean over samples, so that the tolerance does not depend on their number."""
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
            gradient[:-1] = (residual.to(x.dtype).T @ x).T.double().cpu() + l2 * table[:-1]
            gradient[-1] = residual.sum(0).cpu()
            penalty = l2 / 2 * float(table[:-1].square().sum())
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
                "logistic regression did not converge in %d iterations: raise max_iterations or l2", self.max_iterations
            )
        table = torch.from_numpy(result.x).view(width + 1, planes).to(x)
        return table[:-1], table[-1]


@dataclass(frozen=True, kw_only=True)
class Planes:
    """Fitted planes.

    Attributes:
        standardised: standardisation by the training features.
        weight: weights for standardised features, [D, planes].
        bias: [planes].
        classes: classes of the training samples: one for each plane, or two for a single plane; None if samples have
            several labels and each label has its own plane.
        n_classes: K.
    """

    standardised: Standardisation
    weight: Tensor
    bias: Tensor
    classes: Tensor | None
    n_classes: int

    def scores(self, features: Tensor) -> Tensor:
        """Probabilities [N, K] for features [N, D]; rows sum to 1 unless samples have several labels."""
        parts = [self._chunk_scores(chunk) for chunk in features.split(_CHUNK)]
        return torch.cat(parts) if parts else self.bias.new_zeros(0, self.n_classes)

    def _chunk_scores(self, features: Tensor) -> Tensor:
        logits = self.standardised(features) @ self.weight + self.bias
        if self.classes is None:
            return logits.sigmoid()
        scores = logits.new_zeros(len(features), self.n_classes)
        if len(self.classes) == 2:
            logits = torch.cat((torch.zeros_like(logits), logits), 1)
        scores[:, self.classes] = logits.softmax(1)
        return scores


def _targets(labels: Tensor, n_classes: int) -> tuple[Tensor, Tensor | None]:
    """[N, planes] of 0 and 1 (``binary`` planes), or numbers among the classes present [N]; and these classes."""
    if labels.ndim == 2:
        if labels.shape[1] != n_classes:
            raise ValueError(f"labels are {list(labels.shape)}, expected {n_classes} columns")
        return labels.double(), None
    classes, numbers = labels.unique(return_inverse=True)
    if int(classes[0]) < 0 or int(classes[-1]) >= n_classes:
        raise ValueError(f"labels are {classes.tolist()}, expected 0 to {n_classes - 1}")
    return (numbers.double()[:, None] if len(classes) == 2 else numbers), classes
