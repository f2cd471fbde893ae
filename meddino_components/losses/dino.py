"""The DINO loss: self-distillation between crops of an image.

Shapes: S student crops, T teacher crops, B images, K prototypes.
"""

from __future__ import annotations

from torch import Tensor, nn

from .soft_cross_entropy import soft_cross_entropy


class DINOLoss(nn.Module):
    r"""Cross-entropy of every student crop against every teacher crop of its image.

    .. math::
        L = -\frac{1}{n} \sum_{s,t,b,k} p_{tbk} \log softmax(z_{sb} / \tau)_k

    over all S T pairs, n = B S T; ``ignore_diagonal`` leaves out pairs s = t, so n = B (S T - min(S, T)).

    The loss is a mean over samples: with batches of equal size, its mean over processes equals the value for one
    process with all samples, and so does the gradient that DDP averages. The teacher's probabilities are first summed
    over its crops, so no tensor has axes for both S and T.

    Args:
        student_temp: temperature tau of the student.

    Shape: student_logits [S, B, K], teacher_probs [T, B, K], which get no gradient; returns a scalar.

    Raises:
        ValueError: there is no pair of crops.

    Reference: Caron et al., Emerging properties in self-supervised vision transformers, arXiv 2104.14294, equation 3.
    """

    def __init__(self, *, student_temp: float = 0.1) -> None:
        super().__init__()
        self.student_temp = student_temp

    def forward(self, student_logits: Tensor, teacher_probs: Tensor, ignore_diagonal: bool = False) -> Tensor:
        n_students, n_samples, _ = student_logits.shape
        n_teachers = len(teacher_probs)
        n_pairs = n_students * n_teachers - ignore_diagonal * min(n_students, n_teachers)
        if n_pairs == 0:
            raise ValueError(
                f"no pair of crops to compare: {n_students} of the student, {n_teachers} of the teacher, "
                f"ignore_diagonal={ignore_diagonal}"
            )
        total = soft_cross_entropy(
            student_logits,
            teacher_probs.sum(0),
            student_temp=self.student_temp,
            excluded=teacher_probs if ignore_diagonal else None,
        )
        return total / (n_samples * n_pairs)
