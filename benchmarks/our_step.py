"""One training step of ours and where its time goes: what both scripts of a pretraining step measure."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import torch
from flops import Crops, sizes_of, step_flops
from torch import Tensor

from meddino_components.networks import DINOHead, vit_backbone
from meddino_components.self_distillation import SelfDistillationObjective, StudentTeacher, self_distillation_groups
from meddino_components.training import GradientClipping

PARTS = ("student.backbone", "student.dino_head", "student.ibot_head")
RECIPE = {
    "lr": 2e-4,
    "weight_decay": 0.04,
    "max_norm": 3.0,
    "ema_momentum": 0.994,
    "teacher_temp": 0.07,
    "koleo_weight": 0.1,
}
Mark = Callable[[str], None]


class OurStep:
    """One training step in the order of `SelfDistillationTrainer`."""

    def __init__(self, network: StudentTeacher, *, autocast: bool) -> None:
        self.network, self.autocast = network, autocast
        self.objective = SelfDistillationObjective(koleo_weight=RECIPE["koleo_weight"])
        groups = self_distillation_groups(network, lr_decay_rate=0.9, patch_embed_lr_mult=0.2)
        self.optimizer = torch.optim.AdamW(groups, lr=RECIPE["lr"], weight_decay=RECIPE["weight_decay"], fused=True)
        self.clipping = GradientClipping(network=network, max_norm=RECIPE["max_norm"], parts=PARTS)
        self.engine = SimpleNamespace(state=SimpleNamespace(metrics={}, iteration=0))

    def __call__(self, batch: Mapping[str, Any], mark: Mark = lambda name: None) -> dict[str, Tensor]:
        """Loss terms; ``mark`` is called at the end of each part."""
        self.optimizer.zero_grad(set_to_none=True)
        # the student's patch embedding is the first to run after the teacher
        hook = self.network.student.backbone.patch_embed.register_forward_pre_hook(lambda *_: mark("teacher forward"))
        with torch.autocast(batch["masks"].device.type, torch.bfloat16, enabled=self.autocast):
            outputs = self.network(batch)
        hook.remove()
        mark("student forward")
        terms = self.objective(outputs, batch, teacher_temp=RECIPE["teacher_temp"])
        mark("losses")
        terms["loss"].backward()
        mark("backward")
        self.clipping(self.engine)
        mark("clipping")
        self.optimizer.step()
        self.network.update_teacher(RECIPE["ema_momentum"])
        mark("optimiser and EMA")
        return {name: term.detach() for name, term in terms.items()}


class Stopwatch:
    """Milliseconds between marks; on CUDA by events, which nothing waits for before they are read."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.marks: dict[str, Any] = {"start": self._now()}

    def __call__(self, name: str) -> None:
        # the student embeds patches twice: of global crops, then of local ones
        self.marks.setdefault(name, self._now())

    def _now(self) -> Any:
        if self.device.type != "cuda":
            return perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def milliseconds(self) -> dict[str, float]:
        """Of each part, by the name of its end; waits for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return {name: self._between(old, new) for (_, old), (name, new) in pairwise(self.marks.items())}

    def _between(self, old: Any, new: Any) -> float:
        return float(old.elapsed_time(new)) if self.device.type == "cuda" else 1e3 * (new - old)


def our_network(model: str, n_prototypes: int, rope: str) -> StudentTeacher:
    """Student and teacher of a preset with the heads of the recipe; LayerScale at one as in the peer's."""
    torch.manual_seed(0)
    backbone = vit_backbone(model, layerscale_init=1.0, pos_embed_rope_dtype=rope)
    heads = [DINOHead(in_dim=backbone.embed_dim, out_dim=n_prototypes) for _ in range(2)]
    return StudentTeacher(backbone=backbone, dino_head=heads[0], ibot_head=heads[1])


def on(device: torch.device, batch: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.to(device) if isinstance(value, Tensor) else value for name, value in batch.items()}


def gflop_of(step: OurStep, crops: Crops, batch: Mapping[str, Any]) -> float:
    """GFLOP of the whole step with the patches that are masked in this batch."""
    n_images = len(batch["masks"]) // crops.n_global
    crops = replace(crops, mask_share=batch["n_masked_patches"] / batch["masks"].numel())
    return n_images * sum(step_flops(sizes_of(step.network.student), crops).values()) / 1e9


def breakdown(step: OurStep, batch: Mapping[str, Any], rounds: int) -> dict[str, float]:
    """Median milliseconds of each part of our step."""
    watches = []
    for _ in range(rounds):
        watch = Stopwatch(batch["masks"].device)
        step(batch, watch)
        watches.append(watch)
    parts = [watch.milliseconds() for watch in watches]
    return {name: round(median(part[name] for part in parts), 2) for name in parts[0]}


def shares(parts: Mapping[str, float]) -> str:
    total = sum(parts.values())
    return ", ".join(f"{name} {100 * value / total:.0f} %" for name, value in parts.items())


def step_parser(description: str | None, *, models: Sequence[str], batch: int, rounds: int) -> argparse.ArgumentParser:
    """Options of what is measured, with these defaults."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(models))
    parser.add_argument("--batch", type=int, default=batch, help="images")
    parser.add_argument("--prototypes", type=int, default=65536, help="of each head")
    parser.add_argument("--global-px", type=int, default=256)
    parser.add_argument("--local-px", type=int, default=112)
    parser.add_argument("--n-local", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=rounds, help="steps that count")
    parser.add_argument("--threads", type=int, help="of torch")
    parser.add_argument("--name", help="of the result files, for a trial")
    return parser


def crops_of(args: argparse.Namespace) -> Crops:
    return Crops(global_px=args.global_px, n_local=args.n_local, local_px=args.local_px)


def settings_of(args: argparse.Namespace, crops: Crops) -> dict[str, Any]:
    return {
        "batch": args.batch,
        "crops": f"{crops.n_global} x {crops.global_px} + {crops.n_local} x {crops.local_px}",
        "prototypes": f"2 x {args.prototypes}",
        "heads": "2048, 2048, 256",
    }
