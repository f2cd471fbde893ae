"""Soft Dice over the whole batch plus cross-entropy, both over all processes.

Shapes: B batch, K classes (0 is background), ... spatial axes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .batch_sums import soft_dice, sum_over_processes


class DiceCrossEntropyLoss(nn.Module):
    r"""Batch Dice of the foreground classes plus weighted cross-entropy.

    .. math::
        L = \frac{1}{K-1} \sum_{k \ge 1} \left(1 - \frac{2 \sum p_k y_k + s}{\sum p_k + \sum y_k + s}\right)
            + \frac{-\sum_i w_{y_i} \log p_{i, y_i}}{\sum_i w_{y_i}}

    The sums run over all pixels of the batch ("batch Dice") and, where torch.distributed is initialised, over all
    processes. The value is then the same on every process and, averaged over processes as DDP does, so is the
    gradient: two processes with batch B give what one gives with 2B.

    Args:
        num_classes: K, the background included.
        class_balance: exponent b of the cross-entropy's weights; a pixel of a class with n pixels in the batch weighs
            n ** -b. 0 is the published recipe; towards 1 every class counts alike, which brings small organs forward
            in short runs from random weights.
        smooth: s of the formula.

    Shape: logits [B, K, ...], labels [B, 1, ...] with class numbers; a scalar is returned.

    Raises:
        ValueError: a label outside 0 to K - 1.

    Reference: Isensee et al., nnU-Net, doi 10.1038/s41592-020-01008-z, whose 2D pipeline the MedDINOv3 fine-tuning is.
    """

    def __init__(self, *, num_classes: int, class_balance: float = 0.0, smooth: float = 1e-5) -> None:
        super().__init__()
        self.num_classes, self.class_balance, self.smooth = num_classes, class_balance, smooth

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        logits = logits.float().movedim(1, -1).reshape(-1, self.num_classes)
        labels = labels.flatten().long()
        if labels.min() < 0 or labels.max() >= self.num_classes:
            raise ValueError(
                f"labels from {int(labels.min())} to {int(labels.max())}, but the network has classes 0 to "
                f"{self.num_classes - 1}: check label_names and num_classes of the data set's layer"
            )
        counts = sum_over_processes(torch.bincount(labels, minlength=self.num_classes).double())
        weights = counts.clamp(min=1).pow(-self.class_balance).float()
        sums = sum_over_processes(
            torch.cat((self._dice_sums(logits, labels), self._cross_entropy_sum(logits, labels, weights)))
        )
        overlap, predicted, error = sums.split((self.num_classes, self.num_classes, 1))
        dice = soft_dice(overlap, predicted, counts.float(), self.smooth)
        return 1 - dice[1:].mean() + error[0] / (weights * counts).sum().float()

    def _dice_sums(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Overlap [K] of prediction and reference and size of the prediction [K], as [2 K]."""
        probabilities = logits.softmax(-1)
        own = probabilities.gather(1, labels[:, None]).squeeze(1)
        # summed per class without a one-hot copy of the labels
        overlap = own.new_zeros(self.num_classes).index_add(0, labels, own)
        return torch.cat((overlap, probabilities.sum(0)))

    def _cross_entropy_sum(self, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        """Weighted sum of the pixels' cross-entropy, [1]."""
        return (weights[labels] * F.cross_entropy(logits, labels, reduction="none")).sum()[None]
