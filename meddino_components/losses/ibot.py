"""The iBOT loss: self-distillation of masked patches.

Shapes: M masked patches, K prototypes.
"""

from __future__ import annotations

from torch import Tensor, nn

from .soft_cross_entropy import soft_cross_entropy


class IBOTPatchLoss(nn.Module):
    r"""Cross-entropy of the student's masked patches against the teacher's view of the same patches.

    .. math::
        L = -\frac{1}{n} \sum_m w_m \sum_k p_{mk} \log softmax(z_m / \tau)_k

    With :math:`w_m` = 1 / (masked patches of its image), this is the mean over an image's masked patches, then the mean
    over n images, including images without masks.

    The value covers only this process. If all processes have equally many images, its mean over processes equals the
    value for one process with all images, and so does the gradient that DDP averages, however unevenly masks are
    distributed. A process without masks returns 0 and gradients of 0.

    Args:
        student_temp: temperature tau of the student.

    Shape: student_logits and teacher_probs [M, K], masks_weight [M]; only the logits get a gradient. ``n_images``
    counts all global crops of this process. Returns a scalar.

    Reference: Zhou et al., iBOT, arXiv 2111.07832, equation 2; golden values of the official DINOv3 code.
    """

    def __init__(self, *, student_temp: float = 0.1) -> None:
        super().__init__()
        self.student_temp = student_temp

    def forward(self, student_logits: Tensor, teacher_probs: Tensor, masks_weight: Tensor, n_images: int) -> Tensor:
        total = soft_cross_entropy(
            student_logits[None], teacher_probs, student_temp=self.student_temp, weights=masks_weight
        )
        return total / n_images
