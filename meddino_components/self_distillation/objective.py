"""The self-distillation loss: its terms, their weights and scales.

Shapes: B images, G global crops, L local crops, P patches of a global crop, D width, M masked patches,
K prototypes of a head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from ..errors import InputError
from ..losses import DINOLoss, GramLoss, IBOTPatchLoss, KoLeoLoss, sinkhorn_knopp
from .student_teacher import SelfDistillationOutputs

_NAMES = {"dino_local_loss", "dino_global_loss", "ibot_loss", "koleo_loss", "gram_loss"}
_OWN_NAMES = "dino_local, dino_global, ibot, koleo and gram"


class MoreLoss(Protocol):
    """A loss that is added to the objective; it has no trainable parameters.

    Attributes:
        name: name of the loss, which is logged as ``<name>_loss``.
        weight: factor of the loss in the sum.
    """

    name: str
    weight: float

    def __call__(self, outputs: SelfDistillationOutputs, batch: Mapping[str, Any]) -> Tensor:
        """Return a scalar: the mean over this process's images, which is then averaged over processes."""
        ...


class SelfDistillationObjective:
    r"""Weighted sum of the DINO, iBOT, KoLeo and Gram terms, and of any others.

    With :math:`n_l = G L` and :math:`n_g = G (G - 1)`, or :math:`G^2` when a global crop is also compared with itself,

    .. math::
        w_{dino} \left( \frac{n_l}{n_g + n_l} w_{local} L_{local} + \frac{n_g}{n_g + n_l} L_{global} \right)
        + w_{koleo} G L_{koleo} + w_{ibot} L_{ibot} + w_{gram} L_{gram}

    KoLeo is averaged over images and global crops, and then counts G times, as the published weight of 0.1 assumes.

    Args:
        dino_weight: weight :math:`w_{dino}`.
        koleo_weight: weight :math:`w_{koleo}`; 0 omits the term, so that a batch may hold a single image.
        ibot_weight: weight :math:`w_{ibot}`.
        global_ignore_diagonal: whether to leave out pairs of a global crop with itself.
        koleo_loss: loss of the CLS tokens of one global crop, [B, D].
        gram_loss: loss between student and gram teacher; None without a gram teacher.
        gram_tokens: patches in the Gram loss: ``all``, or those that the student's mask makes ``masked`` or
            ``unmasked`` (then ``gram_loss`` must not be image-level, since images have different numbers of them).
        log_gram_by_mask: whether to also return the Gram loss of masked and of unmasked patches, without gradient.
        more_losses: further losses, each added with its own weight.

    Raises:
        ValueError: ``gram_tokens`` is unknown or does not work with ``gram_loss``.
        InputError: two of ``more_losses`` have the same name, or one has the name of a built-in loss.

    Reference: Simeoni et al., DINOv3, arXiv 2508.10104, equations 1 to 3; golden values of the official code.
    """

    def __init__(
        self,
        *,
        dino_weight: float = 1.0,
        koleo_weight: float = 0.1,
        ibot_weight: float = 1.0,
        global_ignore_diagonal: bool = True,
        dino_loss: DINOLoss | None = None,
        ibot_loss: IBOTPatchLoss | None = None,
        koleo_loss: KoLeoLoss | None = None,
        gram_loss: GramLoss | None = None,
        gram_tokens: str = "all",
        log_gram_by_mask: bool = False,
        more_losses: Sequence[MoreLoss] = (),
    ) -> None:
        if gram_tokens not in ("all", "masked", "unmasked"):
            raise ValueError(f"gram_tokens must be all, masked or unmasked, got {gram_tokens!r}")
        if gram_tokens != "all" and gram_loss is not None and gram_loss.img_level:
            raise ValueError(f"gram_tokens {gram_tokens!r} needs a gram_loss with img_level false")
        self.dino_weight, self.koleo_weight, self.ibot_weight = dino_weight, koleo_weight, ibot_weight
        self.global_ignore_diagonal = global_ignore_diagonal
        self.dino_loss, self.ibot_loss = dino_loss or DINOLoss(), ibot_loss or IBOTPatchLoss()
        self.koleo_loss, self.gram_loss = koleo_loss or KoLeoLoss(), gram_loss
        self.gram_tokens = gram_tokens
        self.more_losses = {f"{loss.name}_loss": loss for loss in more_losses}
        taken = set(self.more_losses) & _NAMES
        if taken or len(self.more_losses) < len(more_losses):
            names = ", ".join(loss.name for loss in more_losses)
            raise InputError(f"more_losses are named {names}: give each a unique name, other than {_OWN_NAMES}")
        self._gram_of_some = None
        if log_gram_by_mask and gram_loss is not None:
            self._gram_of_some = GramLoss(
                apply_norm=gram_loss.apply_norm,
                img_level=False,
                remove_neg=gram_loss.remove_neg,
                remove_only_teacher_neg=gram_loss.remove_only_teacher_neg,
            )

    def __call__(
        self,
        outputs: SelfDistillationOutputs,
        batch: Mapping[str, Any],
        *,
        teacher_temp: float,
        local_weight: float = 1.0,
        gram_weight: float = 0.0,
    ) -> dict[str, Tensor]:
        """Compute all terms.

        Args:
            outputs: outputs of `StudentTeacher`.
            batch: batch with ``masks`` [G * B, P] and ``masks_weight`` [M].
            teacher_temp: temperature of the teacher's Sinkhorn-Knopp assignment.
            local_weight: weight of the local crops' DINO loss at this iteration.
            gram_weight: weight of the Gram loss at this iteration.

        Returns:
            ``loss``, the weighted sum, and every term before its weight.
        """
        cls_probs = self._assign(outputs.teacher_cls_logits, teacher_temp)
        n_global, n_local = len(outputs.student_global_logits), len(outputs.student_local_logits)
        n_global_pairs = n_global * (n_global - 1) if self.global_ignore_diagonal else n_global**2
        n_pairs = n_global_pairs + n_global * n_local
        terms = {
            "dino_local_loss": self.dino_loss(outputs.student_local_logits, cls_probs),
            "dino_global_loss": self.dino_loss(outputs.student_global_logits, cls_probs, self.global_ignore_diagonal),
        }
        dino = (
            local_weight * n_global * n_local * terms["dino_local_loss"] + n_global_pairs * terms["dino_global_loss"]
        ) / n_pairs
        del cls_probs
        terms["ibot_loss"] = self.ibot_loss(
            outputs.student_patch_logits,
            self._assign(outputs.teacher_patch_logits, teacher_temp),
            batch["masks_weight"],
            len(batch["masks"]),
        )
        loss = self.dino_weight * dino + self.ibot_weight * terms["ibot_loss"]
        if self.koleo_weight:
            terms["koleo_loss"] = torch.stack([self.koleo_loss(tokens) for tokens in outputs.student_cls]).mean()
            loss = loss + self.koleo_weight * n_global * terms["koleo_loss"]
        if self.gram_loss is not None:
            if outputs.gram_patches is None:
                raise ValueError("a gram_loss is given, but the network has no gram teacher")
            terms |= self._gram_terms(self.gram_loss, outputs.student_patches, outputs.gram_patches, batch["masks"])
            loss = loss + gram_weight * terms["gram_loss"]
        for name, more in self.more_losses.items():
            terms[name] = more(outputs, batch)
            loss = loss + more.weight * terms[name]
        return {"loss": loss, **terms}

    def _assign(self, logits: Tensor, teacher_temp: float) -> Tensor:
        """Apply Sinkhorn-Knopp to all rows together; the result has the logits' shape."""
        return sinkhorn_knopp(logits.reshape(-1, logits.shape[-1]), teacher_temp).view(logits.shape)

    def _gram_terms(self, gram_loss: GramLoss, student: Tensor, teacher: Tensor, masks: Tensor) -> dict[str, Tensor]:
        chosen = {"masked": masks, "unmasked": ~masks}
        if self.gram_tokens == "all":
            terms = {"gram_loss": gram_loss(student, teacher)}
        else:
            rows = chosen[self.gram_tokens]
            terms = {"gram_loss": gram_loss(student[rows], teacher[rows])}
        if self._gram_of_some is not None:
            with torch.no_grad():
                for name in ("masked", "unmasked"):
                    terms[f"gram_loss_{name}"] = self._gram_of_some(student[chosen[name]], teacher[chosen[name]])
        return terms
