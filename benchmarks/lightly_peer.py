"""A step of self-distillation built from transformers' DINOv3 backbone and lightly's heads, losses and teacher update.

As one would write it today: one call of the student for the global crops, one for the local ones; losses under the same
autocast as the networks, as Lightning's precision plugins have it; AdamW with fused updates in one group.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torchvision_shim  # noqa: F401  lightly and transformers import torchvision
from backbone import ours_with_weights_of, peer
from lightly.loss import DINOLoss, IBOTPatchLoss, KoLeoLoss
from lightly.models.modules import DINOProjectionHead
from lightly.models.utils import update_momentum
from torch import Tensor, nn

from meddino_components.networks import DINOHead
from meddino_components.self_distillation import StudentTeacher

N_PREFIX = 5  # CLS and four registers


class LightlyNetwork(nn.Module):
    """Backbone and two heads."""

    def __init__(self, model: str, n_prototypes: int) -> None:
        super().__init__()
        self.backbone = peer(model)
        width = self.backbone.config.hidden_size
        self.dino_head = DINOProjectionHead(width, output_dim=n_prototypes)
        self.ibot_head = DINOProjectionHead(width, output_dim=n_prototypes)


class LightlyStep:
    """One training step; the teacher starts as a copy of the student.

    Args:
        model: a preset's name.
        n_prototypes: of both heads.
        device: of everything.
        autocast: to bf16.
        settings: `our_step.RECIPE`.
    """

    def __init__(
        self, model: str, n_prototypes: int, *, device: torch.device, autocast: bool, settings: Mapping[str, Any]
    ) -> None:
        self.autocast, self.settings = autocast, settings
        self.student, self.teacher = (LightlyNetwork(model, n_prototypes).to(device) for _ in range(2))
        self.teacher.load_state_dict(self.student.state_dict())
        self.student.train()
        self.teacher.eval().requires_grad_(False)
        temperatures = {"teacher_temp": settings["teacher_temp"], "student_temp": 0.1}
        self.dino_loss = DINOLoss(n_prototypes, warmup_teacher_temp=settings["teacher_temp"], **temperatures).to(device)
        self.ibot_loss = IBOTPatchLoss(n_prototypes, **temperatures).to(device)
        self.koleo_loss = KoLeoLoss()
        trained = [parameter for parameter in self.student.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(
            trained, lr=settings["lr"], weight_decay=settings["weight_decay"], fused=True
        )

    def __call__(self, batch: Mapping[str, Any]) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(batch["masks"].device.type, torch.bfloat16, enabled=self.autocast):
            loss = sum(self.losses(self.logits(batch), batch))
        loss.backward()
        for part in self.student.children():
            nn.utils.clip_grad_norm_(part.parameters(), self.settings["max_norm"])
        self.optimizer.step()
        update_momentum(self.student, self.teacher, self.settings["ema_momentum"])

    def logits(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Logits of teacher and student: of CLS tokens, crop-major, and of masked patches; the student's CLS tokens."""
        masks, crops = batch["masks"], batch["global_crops"].expand(-1, 3, -1, -1)
        with torch.no_grad():
            tokens = self.teacher.backbone(crops).last_hidden_state
            teacher_cls = self.teacher.dino_head(tokens[:, 0])
            teacher_patch = self.teacher.ibot_head(tokens[:, N_PREFIX:][masks])
        tokens = self.student.backbone(crops, bool_masked_pos=masks).last_hidden_state
        of_local = self.student.backbone(batch["local_crops"].expand(-1, 3, -1, -1)).last_hidden_state
        return {
            "teacher_cls": teacher_cls,
            "teacher_patch": teacher_patch,
            "student_cls": self.student.dino_head(torch.cat((tokens[:, 0], of_local[:, 0]))),
            "student_patch": self.student.ibot_head(tokens[:, N_PREFIX:][masks]),
            "tokens": tokens[:, 0],
        }

    def losses(self, logits: Mapping[str, Tensor], batch: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
        """DINO, KoLeo with its weight, and iBOT."""
        masks, n_global = batch["masks"], int(batch["n_global_crops"])
        n_images, side = len(masks) // n_global, round(masks.shape[1] ** 0.5)
        dino = self.dino_loss(list(logits["teacher_cls"].split(n_images)), list(logits["student_cls"].split(n_images)))
        koleo = sum(self.koleo_loss(tokens) for tokens in logits["tokens"].split(n_images))
        ibot = self.ibot_loss(logits["teacher_patch"], logits["student_patch"], mask=masks.unflatten(1, (side, side)))
        return dino, self.settings["koleo_weight"] * koleo, ibot

    def copied_to(self, network: StudentTeacher, model: str) -> None:
        """Give our student and teacher these weights; on the CPU, before the first step."""
        backbone = ours_with_weights_of(self.teacher.backbone, model, "fp32")
        for part in (network.student, network.teacher):
            part.backbone.load_state_dict(backbone.state_dict())
            copy_head(self.student.dino_head, part.dino_head)
            copy_head(self.student.ibot_head, part.ibot_head)


@torch.no_grad()
def copy_head(source: DINOProjectionHead, target: DINOHead) -> None:
    """Weights of lightly's head to ours; its prototypes have unit length, ours the length they are given."""
    target.mlp.load_state_dict(source.layers.state_dict())
    target.last_layer.weight.copy_(nn.functional.normalize(source.last_layer.weight_v, dim=1))
