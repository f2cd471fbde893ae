"""The Gram loss: keep similarities between patches close to those of an earlier teacher.

Shapes: B images, P patches, D width, M tokens of a batch taken together.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GramLoss(nn.Module):
    r"""Mean squared difference of two Gram matrices, :math:`L = mean((X_S X_S^T - X_T X_T^T)^2)`.

    The loss is a mean over images, or over pairs of this process's tokens; with ``img_level``, its mean over processes
    equals the value for one process with all images.

    Args:
        apply_norm: whether to scale tokens to unit length first, so that similarities are cosines.
        img_level: whether to use one matrix per image; otherwise one for all tokens of the batch.
        remove_neg: whether to set negative similarities to 0 in both matrices.
        remove_only_teacher_neg: whether to set them to 0 in the teacher's matrix only.

    Shape: student and teacher [B, P, D], or [M, D] if ``img_level`` is False; the teacher gets no gradient. Returns a
        scalar.

    Raises:
        ValueError: both options for negative similarities are set, shapes differ, or ``img_level`` is set for a token
            matrix.

    Reference: Simeoni et al., DINOv3, arXiv 2508.10104, equation 3; golden values of the official code.
    """

    def __init__(
        self,
        *,
        apply_norm: bool = True,
        img_level: bool = True,
        remove_neg: bool = False,
        remove_only_teacher_neg: bool = False,
    ) -> None:
        super().__init__()
        if remove_neg and remove_only_teacher_neg:
            raise ValueError("remove_neg and remove_only_teacher_neg exclude each other")
        self.apply_norm, self.img_level = apply_norm, img_level
        self.remove_neg, self.remove_only_teacher_neg = remove_neg, remove_only_teacher_neg

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        if student.shape != teacher.shape or (self.img_level and student.ndim != 3):
            raise ValueError(
                f"student {list(student.shape)} and teacher {list(teacher.shape)} must have the same shape, "
                f"{'[B, P, D]' if self.img_level else '[B, P, D] or [M, D]'}"
            )
        # autocast would multiply in low precision
        with torch.autocast(student.device.type, enabled=False):
            expected = self._similarities(teacher.detach())
            found = self._similarities(student)
            if self.remove_neg or self.remove_only_teacher_neg:
                expected = expected.clamp(min=0)
            if self.remove_neg:
                found = found.clamp(min=0)
            return F.mse_loss(found, expected)

    def _similarities(self, tokens: Tensor) -> Tensor:
        """Gram matrices, [B, P, P] or [M, M]."""
        tokens = tokens.to(torch.promote_types(tokens.dtype, torch.float32))
        if not self.img_level:
            tokens = tokens.reshape(-1, tokens.shape[-1])
        if self.apply_norm:
            tokens = F.normalize(tokens, dim=-1)
        return tokens @ tokens.mT
