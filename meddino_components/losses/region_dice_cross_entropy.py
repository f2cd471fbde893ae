"""Soft Dice over the whole batch plus weighted binary cross-entropy, for overlapping regions, over all processes.

Shapes: B batch, R regions, ... spatial axes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .batch_sums import soft_dice, sum_over_processes
from .pixel_sums import sigmoid_sums


class RegionDiceCrossEntropyLoss(nn.Module):
    r"""Batch Dice of regions plus the weighted binary cross-entropy of their pixels.

    .. math::
        L = \frac{1}{R} \sum_r \left(1 - \frac{2 \sum p_r y_r + s}{\sum p_r + \sum y_r + s}\right)
            - \frac{1}{R} \sum_r \frac{\sum_i w_{ri}
              \left(y_{ri} \log p_{ri} + (1 - y_{ri}) \log (1 - p_{ri})\right)}{\sum_i w_{ri}}

    with p the sigmoid of the logits. The sums run over the batch and over all processes, as in
    `DiceCrossEntropyLoss`: two processes with batch B give the same as one with 2B. On one process it equals MONAI's
    `DiceLoss` with ``sigmoid=True, batch=True`` plus torch's `BCEWithLogitsLoss`; MONAI's `DiceCELoss` would use a
    softmax for the cross-entropy of several channels.

    Args:
        regions: labels of each region; a label may belong to several.
        class_balance: exponent b of the weights w: if a batch has n pixels inside a region (or outside it), each has
            weight n ** -b, as in `DiceCrossEntropyLoss`. 0 is the plain mean; at 1 both sides count equally, without
            which a short run from random weights may never predict any foreground.
        smooth: smoothing term s of the formula.

    Shape: logits [B, R, ...], labels [B, 1, ...] with label numbers; returns a scalar.

    Raises:
        ValueError: a label other than 0 belongs to no region, or the number of logits differs from that of regions.

    Reference: Isensee et al., nnU-Net for brain tumor segmentation, arXiv 2011.00848, section 2.3 (regions).
    """

    def __init__(self, *, regions: Sequence[Sequence[int]], class_balance: float = 0.0, smooth: float = 1e-5) -> None:
        super().__init__()
        self.regions, self.class_balance, self.smooth = [list(labels) for labels in regions], class_balance, smooth
        members = torch.zeros(256, len(regions), dtype=torch.bool)
        for number, labels in enumerate(regions):
            members[list(labels), number] = True
        self.members = members

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        n_regions = self.members.shape[1]
        if logits.shape[1] != n_regions:
            raise ValueError(f"the network gives {logits.shape[1]} outputs for {n_regions} regions")
        logits = logits.movedim(1, -1).reshape(-1, n_regions)
        labels = labels.flatten().long()
        self.members = self.members.to(labels.device)
        inside = self.members[labels]
        if not bool((inside.any(1) | (labels == 0)).all()):
            strange = labels[~inside.any(1) & (labels != 0)][0]
            raise ValueError(f"label {int(strange)} belongs to no region: check label_convention of the data set")
        n_inside = inside.sum(0).double()
        counts = sum_over_processes(torch.stack((n_inside, len(labels) - n_inside)))
        overlap, predicted, *error = sum_over_processes(sigmoid_sums(logits, inside))
        weights = counts.clamp(min=1).pow(-self.class_balance)
        dice = soft_dice(overlap, predicted, counts[0], self.smooth)
        cross_entropy = (torch.stack(error) * weights).sum(0) / (weights * counts).sum(0)
        return (1 - dice.mean() + cross_entropy.mean()).float()
