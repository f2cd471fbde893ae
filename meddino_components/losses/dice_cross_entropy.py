"""Soft Dice over the whole batch plus cross-entropy, both over all processes.

Shapes: B batch, K classes (0 is background), ... spatial axes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..ignored_label import IGNORE
from .batch_sums import known_pixels, soft_dice, sum_over_processes
from .marginal_logits import marginal_logits
from .pixel_sums import softmax_sums


class DiceCrossEntropyLoss(nn.Module):
    r"""Batch Dice of the foreground classes plus weighted cross-entropy.

    .. math::
        L = \frac{1}{K-1} \sum_{k \ge 1} \left(1 - \frac{2 \sum p_k y_k + s}{\sum p_k + \sum y_k + s}\right)
            + \frac{-\sum_i w_{y_i} \log p_{i, y_i}}{\sum_i w_{y_i}}

    The sums run over all pixels of the batch ("batch Dice") and, if torch.distributed is initialised, over all
    processes. The value is then the same on every process, and so is the gradient once DDP has averaged it: two
    processes with batch B give the same as one with 2B.

    Pixels with the label `IGNORE` leave every sum. Classes that were not annotated in a sample join its background
    (`marginal_logits`); the Dice of a class then covers the samples in which it was annotated, and the mean covers the
    classes that were annotated anywhere in the batch of all processes.

    Args:
        num_classes: number of classes K, including the background.
        class_balance: exponent b of the cross-entropy's weights; a pixel of a class with n pixels in the batch has
            weight n ** -b. 0 is the published recipe; at 1 all classes count equally, which helps small organs in short
            runs from random weights.
        smooth: smoothing term s of the formula.

    Shape: logits [B, K, ...], labels [B, 1, ...] with class numbers; ``annotated``, boolean [B, K], says which classes
        were annotated in each sample (if omitted, all were); returns a scalar. Either every process gives it or none.

    Raises:
        ValueError: a label is outside 0 to K - 1, or was not annotated in its sample.

    Reference: Isensee et al., nnU-Net, doi 10.1038/s41592-020-01008-z, whose 2D pipeline MedDINOv3 uses for
        fine-tuning.
    """

    def __init__(self, *, num_classes: int, class_balance: float = 0.0, smooth: float = 1e-5) -> None:
        super().__init__()
        self.num_classes, self.class_balance, self.smooth = num_classes, class_balance, smooth

    def forward(self, logits: Tensor, labels: Tensor, annotated: Tensor | None = None) -> Tensor:
        if annotated is not None and not annotated.all():
            _check_annotated(labels, annotated)
            logits = marginal_logits(logits, annotated)
        logits = logits.movedim(1, -1).reshape(-1, self.num_classes)
        logits, labels = known_pixels(logits, labels.flatten().long())
        if len(labels) and (labels.min() < 0 or labels.max() >= self.num_classes):
            raise ValueError(
                f"labels from {int(labels.min())} to {int(labels.max())}, but the network has classes 0 to "
                f"{self.num_classes - 1}: check label_names and num_classes of the data set's layer"
            )
        counts = sum_over_processes(torch.bincount(labels, minlength=self.num_classes).double())
        overlap, predicted, error = sum_over_processes(softmax_sums(logits, labels))
        dice = soft_dice(overlap, predicted, counts, self.smooth)[1:]
        if annotated is not None:
            dice = dice[sum_over_processes(annotated.sum(0).double())[1:] > 0]
        weights = counts.clamp(min=1).pow(-self.class_balance)
        missed = 1 - dice.mean() if len(dice) else 0.0
        # 0 only if nobody annotated any pixel of the batch
        weight = (weights * counts).sum().clamp(min=torch.finfo(torch.float64).tiny)
        return (missed + (weights * error).sum() / weight).float()


def _check_annotated(labels: Tensor, annotated: Tensor) -> None:
    """Refuse samples with a label that was not annotated: its probability would be 0, its cross-entropy infinite."""
    found = labels.flatten(1).long()
    fits = annotated.gather(1, found.clamp(0, annotated.shape[1] - 1)) | (found == 0) | (found == IGNORE)
    if not fits.all():
        raise ValueError(f"label {int(found[~fits][0])} is in a sample in which it was not annotated")
