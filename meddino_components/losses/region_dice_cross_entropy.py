"""Soft Dice over the whole batch plus weighted binary cross-entropy, for overlapping regions, over all processes.

Shapes: B batch, R regions, ... spatial axes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .batch_sums import known_pixels, soft_dice, sum_over_processes
from .pixel_sums import sigmoid_sums

# logit whose sigmoid is 0, within the range of fp16
_SURELY_OUTSIDE = -1e4


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

    A region is known in a sample if all of its labels were annotated there. Samples in which it is unknown leave its
    sums, and pixels with the label `IGNORE` leave all sums; the means cover the regions that are known anywhere in the
    batch of all processes.

    Args:
        regions: labels of each region; a label may belong to several.
        class_balance: exponent b of the weights w: if a batch has n pixels inside a region (or outside it), each has
            weight n ** -b, as in `DiceCrossEntropyLoss`. 0 is the plain mean; at 1 both sides count equally, without
            which a short run from random weights may never predict any foreground.
        smooth: smoothing term s of the formula.

    Shape: logits [B, R, ...], labels [B, 1, ...] with label numbers; ``annotated``, boolean [B, K], says by label
        number what was annotated in each sample (if omitted, all was); returns a scalar.

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

    def forward(self, logits: Tensor, labels: Tensor, annotated: Tensor | None = None) -> Tensor:
        n_regions = self.members.shape[1]
        if logits.shape[1] != n_regions:
            raise ValueError(f"the network gives {logits.shape[1]} outputs for {n_regions} regions")
        known = None if annotated is None or annotated.all() else self._known(annotated, labels)
        logits = logits.movedim(1, -1).reshape(-1, n_regions)
        if known is not None:
            # there the sigmoid and its cross-entropy are exactly 0, and so are their gradients
            logits = logits.masked_fill(~known, _SURELY_OUTSIDE)
            known, _ = known_pixels(known, labels.flatten())
        logits, labels = known_pixels(logits, labels.flatten().long())
        self.members = self.members.to(labels.device)
        inside = self.members[labels]
        if not bool((inside.any(1) | (labels == 0)).all()):
            strange = labels[~inside.any(1) & (labels != 0)][0]
            raise ValueError(f"label {int(strange)} belongs to no region: check label_convention of the data set")
        if known is not None:
            inside = inside & known
        n_inside = inside.sum(0).double()
        n_known = len(labels) if known is None else known.sum(0)
        counts = sum_over_processes(torch.stack((n_inside, n_known - n_inside)))
        overlap, predicted, *error = sum_over_processes(sigmoid_sums(logits, inside))
        weights = counts.clamp(min=1).pow(-self.class_balance)
        dice = soft_dice(overlap, predicted, counts[0], self.smooth)
        errors, totals = (torch.stack(error) * weights).sum(0), (weights * counts).sum(0)
        if not (found := totals > 0).all():
            if not found.any():  # nobody annotated anything in the batch
                return logits.sum().float() * 0
            dice, errors, totals = dice[found], errors[found], totals[found]
        return (1 - dice.mean() + (errors / totals).mean()).float()

    def _known(self, annotated: Tensor, labels: Tensor) -> Tensor:
        """Return for each pixel which regions are known, boolean [N, R]."""
        of_sample = torch.stack([annotated[:, list(region)].all(1) for region in self.regions], dim=1)
        return of_sample.repeat_interleave(labels[0].numel(), dim=0)
