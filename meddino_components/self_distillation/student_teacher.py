"""The student, EMA teacher and gram teacher of self-distillation in one module.

One forward pass returns everything the losses need, as DDP and FSDP2 expect one call of one module per iteration.

Shapes: B images, G global crops, L local crops, P patches of a global crop, D width, M masked patches,
K prototypes of a head. Crops of a batch are crop-major: [crop 0 of all images, crop 1 of all images, ...].
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks import DINOHead, DinoVisionTransformer
from ..networks.vision_transformer import Features


@dataclass(frozen=True)
class SelfDistillationOutputs:
    """Result of one forward pass; logits are before temperature and softmax.

    Attributes:
        student_global_logits: CLS logits of the global crops, [G, B, K].
        student_local_logits: CLS logits of the local crops, [L, B, K].
        student_patch_logits: logits of the masked patches, [M, K].
        student_cls: CLS tokens of the global crops after the final norm, [G, B, D].
        student_patches: patch tokens of the global crops after the final norm, [G * B, P, D].
        teacher_cls_logits: CLS logits of the global crops, [G, B, K].
        teacher_patch_logits: logits of the patches that are masked for the student, [M, K].
        teacher_cls: CLS tokens of the global crops, [G, B, D].
        gram_patches: patch tokens that the Gram loss anchors to, [G * B, P, D]; None without a gram teacher.
    """

    student_global_logits: Tensor
    student_local_logits: Tensor
    student_patch_logits: Tensor
    student_cls: Tensor
    student_patches: Tensor
    teacher_cls_logits: Tensor
    teacher_patch_logits: Tensor
    teacher_cls: Tensor
    gram_patches: Tensor | None


class SelfDistillationNetwork(nn.Module):
    """Backbone with a head for CLS tokens and one for patch tokens; state-dict keys as in the public checkpoints."""

    def __init__(self, *, backbone: DinoVisionTransformer, dino_head: DINOHead, ibot_head: DINOHead) -> None:
        super().__init__()
        self.backbone, self.dino_head, self.ibot_head = backbone, dino_head, ibot_head


class StudentTeacher(nn.Module):
    """The student, its exponential moving average, and the frozen backbone that anchors dense features.

    The teachers start as copies of the student, get no gradient and stay in evaluation mode: no DropPath, no
    augmentation of rotary coordinates.

    Args:
        backbone: student's backbone, with pretrained weights loaded if any.
        dino_head: head for CLS tokens.
        ibot_head: head for patch tokens.
        gram_teacher: kind of gram teacher: ``none``; ``frozen``, a separate backbone, see `GramTeacherRefresh` and
            `start_from_stage`; or ``ema``, the EMA teacher itself.
        gram_resize: interpolation that brings the gram teacher's feature maps to the student's grid.
        gram_antialias: whether to filter before reducing maps.

    Raises:
        ValueError: ``gram_teacher`` is unknown.

    Reference: Simeoni et al., DINOv3, arXiv 2508.10104, sections 3.2 and 4; golden values of the official code.
    """

    def __init__(
        self,
        *,
        backbone: DinoVisionTransformer,
        dino_head: DINOHead,
        ibot_head: DINOHead,
        gram_teacher: str = "none",
        gram_resize: str = "bicubic",
        gram_antialias: bool = False,
    ) -> None:
        super().__init__()
        if gram_teacher not in ("none", "frozen", "ema"):
            raise ValueError(f"gram_teacher must be none, frozen or ema, got {gram_teacher!r}")
        self.gram_source, self.gram_resize, self.gram_antialias = gram_teacher, gram_resize, gram_antialias
        self.student = SelfDistillationNetwork(backbone=backbone, dino_head=dino_head, ibot_head=ibot_head)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        if gram_teacher == "frozen":
            self.gram_teacher = nn.ModuleDict({"backbone": copy.deepcopy(self.teacher.backbone)})
        self.train()

    def train(self, mode: bool = True) -> StudentTeacher:
        super().train(mode)
        self.teacher.eval()
        if self.gram_source == "frozen":
            self.gram_teacher.eval()
        return self

    def forward(self, batch: Mapping[str, Any]) -> SelfDistillationOutputs:
        """Run student and teachers.

        Args:
            batch: batch from `collate_crops`: ``global_crops`` [G * B, C, H, W], ``local_crops`` [L * B, C, h, w],
                ``masks`` [G * B, P], ``mask_indices`` [M], ``n_global_crops``, and ``gram_teacher_crops`` if the gram
                teacher has its own crops.
        """
        crops, n_global = self._images(batch["global_crops"]), int(batch["n_global_crops"])
        with torch.no_grad():
            teacher_cls, teacher_patches = _cls_and_patches(self.teacher.backbone.forward_features(crops))
            teacher_cls_logits = self.teacher.dino_head(teacher_cls)
            masked = teacher_patches.flatten(0, 1).index_select(0, batch["mask_indices"])
            teacher_patch_logits = self.teacher.ibot_head(masked)
            gram_patches = self._gram_patches(batch, teacher_patches)
            del teacher_patches, masked

        of_global, of_local = self.student.backbone.forward_features(
            [crops, self._images(batch["local_crops"])], [batch["masks"], None]
        )
        student_cls, student_patches = _cls_and_patches(of_global)
        local_cls, _ = _cls_and_patches(of_local)
        masked = student_patches.flatten(0, 1).index_select(0, batch["mask_indices"])
        cls_logits = self.student.dino_head(torch.cat((student_cls, local_cls)))
        global_logits, local_logits = cls_logits.split((len(student_cls), len(local_cls)))
        by_crop = (-1, len(crops) // n_global)
        return SelfDistillationOutputs(
            student_global_logits=global_logits.unflatten(0, by_crop),
            student_local_logits=local_logits.unflatten(0, by_crop),
            student_patch_logits=self.student.ibot_head(masked),
            student_cls=student_cls.unflatten(0, by_crop),
            student_patches=student_patches,
            teacher_cls_logits=teacher_cls_logits.unflatten(0, by_crop),
            teacher_patch_logits=teacher_patch_logits,
            teacher_cls=teacher_cls.unflatten(0, by_crop),
            gram_patches=gram_patches,
        )

    def update_teacher(self, momentum: float) -> None:
        """Set parameters to momentum * teacher + (1 - momentum) * student; buffers are the same in both."""
        with torch.no_grad():
            torch._foreach_lerp_(list(self.teacher.parameters()), list(self.student.parameters()), 1 - momentum)

    def refresh_gram_teacher(self) -> None:
        """Copy the EMA teacher's current weights to the gram teacher."""
        self.gram_teacher["backbone"].load_state_dict(self.teacher.backbone.state_dict())

    def _images(self, crops: Tensor) -> Tensor:
        """Expand grey crops to the backbone's channels; loaders and copies to the GPU use one channel."""
        return crops.expand(-1, self.student.backbone.in_chans, -1, -1) if crops.shape[1] == 1 else crops

    def _gram_patches(self, batch: Mapping[str, Any], teacher_patches: Tensor) -> Tensor | None:
        if self.gram_source == "none":
            return None
        if self.gram_source == "ema":
            return teacher_patches
        crops = batch["global_crops"]
        own: Tensor = batch.get("gram_teacher_crops", crops)
        backbone: Any = self.gram_teacher["backbone"]
        _, patches = _cls_and_patches(backbone.forward_features(self._images(own)))
        grid, own_grid = ([side // backbone.patch_size for side in t.shape[-2:]] for t in (crops, own))
        if grid == own_grid:
            return patches
        maps = patches.unflatten(1, own_grid).movedim(-1, 1)
        resized = F.interpolate(maps, grid, mode=self.gram_resize, align_corners=False, antialias=self.gram_antialias)
        return resized.flatten(2).transpose(1, 2)


def _cls_and_patches(features: Features) -> tuple[Tensor, Tensor]:
    cls_token, patches = features["x_norm_clstoken"], features["x_norm_patchtokens"]
    assert cls_token is not None
    assert patches is not None
    return cls_token, patches
