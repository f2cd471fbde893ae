"""What a step of self-distillation costs on paper: FLOPs, memory, bytes between GPUs, and hours of GPUs.

Counted are matrix products, two FLOPs a multiply-add: linear layers, patch embedding, attention, heads and Gram
matrices. The backward pass counts twice the forward, without the gradient of the images; recomputed activations do not
count. `docs/scaling.md` says what follows from the tables.

Run: ``python benchmarks/flops.py`` for the tables of that page, ``--check`` to compare with torch's counter.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from common import table
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from meddino_components.data.crops.collate import collate_masks
from meddino_components.losses import GramLoss
from meddino_components.networks import DINOHead, DinoVisionTransformer, vit_backbone
from meddino_components.networks.layers import SwiGlu
from meddino_components.training import SelfDistillationObjective, StudentTeacher
from meddino_components.training.student_teacher import SelfDistillationNetwork

GLOBAL_BATCH = 512
MODELS = ("vit_small", "vit_base", "vit_large", "vit_huge_plus", "vit_7b")
# half of the global crops, 10 to 50 % of their patches
MASK_SHARE = 0.15
# read and written by AdamW (parameter, two moments, gradient), clipping and the teacher's update, in fp32
UPDATE_BYTES = 28 + 12 + 12
# fp32 parameter, gradient and two moments of the student, fp32 parameter of the teacher
STATE_BYTES = 20
# kept for the backward pass under bf16 autocast, for a token and block, times the width, without what lies inside the
# feed-forward network. fp32: input of both branches. bf16: normalised input, q, k, v, rotated q and k, attention and
# its projection, normalised input and output of the feed-forward network
ACTIVATION_BYTES = 2 * 4 + 2 * (1 + 3 + 2 + 1 + 1 + 1 + 1)
# measured, of one core: crops of stage 1 with the full recipe (multi_crop.py), slices read at random (slice_store.py),
# windows and changes drawn without cutting a crop
SAMPLES_PER_SECOND, SLICES_PER_SECOND, DRAWS_PER_SECOND = 127.0, 1000.0, 2500.0
# bytes/s of the slowest link of a ring over all GPUs: NVLink 4 or eight adapters of 400 Gbit/s a node; one; 100 Gbit/s
LINKS = {"400 GB/s": 400e9, "50 GB/s": 50e9, "12.5 GB/s": 12.5e9}


@dataclass(frozen=True)
class Sizes:
    """What costs depend on: tokens, and the weights that multiply them.

    Attributes:
        embed_dim: width.
        depth: blocks.
        patch_size: side of a patch in pixels.
        n_prefix_tokens: CLS and storage tokens.
        patch_weights: of the patch embedding.
        block_weights: of the linear layers of all blocks.
        ffn_columns: width of all that a block's feed-forward network keeps between its layers.
        head_weights: of the linear layers of one head.
        n_prototypes: of one head.
        backbone_parameters: all of them.
        parameters: of backbone and both heads.
    """

    embed_dim: int
    depth: int
    patch_size: int
    n_prefix_tokens: int
    patch_weights: int
    block_weights: int
    ffn_columns: int
    head_weights: int
    n_prototypes: int
    backbone_parameters: int
    parameters: int


@dataclass(frozen=True)
class Crops:
    """Crops of an image; ``gram_px`` is what the gram teacher sees, None without one."""

    n_global: int = 2
    global_px: int = 256
    n_local: int = 8
    local_px: int = 112
    gram_px: int | None = None
    mask_share: float = MASK_SHARE

    @property
    def pixels(self) -> int:
        """Of all crops that are cut."""
        gram = self.n_global * self.gram_px**2 if self.gram_px else 0
        return self.n_global * self.global_px**2 + self.n_local * self.local_px**2 + gram


@dataclass(frozen=True)
class Stage:
    """A stage of the recipe: iterations, and crops with the share of iterations that draws them."""

    name: str
    iterations: int
    crops: tuple[tuple[float, Crops], ...]


STAGES = (
    Stage("1", 100_000, ((1.0, Crops()),)),
    Stage("2, gram", 10_000, ((1.0, Crops(gram_px=512)),)),
    Stage(
        "3, high resolution",
        10_000,
        (
            (0.3, Crops(global_px=512, local_px=112, gram_px=768)),
            (0.3, Crops(global_px=768, local_px=112, gram_px=1152)),
            (0.3, Crops(global_px=768, local_px=168, gram_px=1152)),
            (0.05, Crops(global_px=768, local_px=224, gram_px=1152)),
            (0.05, Crops(global_px=768, local_px=336, gram_px=1152)),
        ),
    ),
)


def sizes_of(network: SelfDistillationNetwork) -> Sizes:
    """Sizes of a student; it may lie on the meta device."""
    backbone = network.backbone
    return Sizes(
        embed_dim=backbone.embed_dim,
        depth=backbone.depth,
        patch_size=backbone.patch_size,
        n_prefix_tokens=backbone.n_prefix_tokens,
        patch_weights=backbone.patch_embed.proj.weight.numel(),
        block_weights=linear_weights(backbone.blocks),
        ffn_columns=ffn_columns(backbone),
        head_weights=linear_weights(network.dino_head),
        n_prototypes=network.dino_head.last_layer.out_features,
        backbone_parameters=sum(parameter.numel() for parameter in backbone.parameters()),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
    )


def linear_weights(module: nn.Module) -> int:
    """Weights of all linear layers in a module: multiply-adds of a token."""
    return sum(layer.weight.numel() for layer in module.modules() if isinstance(layer, nn.Linear))


def ffn_columns(backbone: DinoVisionTransformer) -> int:
    """Before and after GELU; of SwiGLU both factors, before and after its own activation, and their product."""
    layers: Any = backbone.blocks[0].mlp
    return int(4 * layers.w1.out_features if isinstance(layers, SwiGlu) else 2 * layers.fc1.out_features)


def preset_sizes(name: str, n_prototypes: int = 65536) -> Sizes:
    """Sizes of a preset with the heads of the recipe, without its memory."""
    with torch.device("meta"):
        backbone = vit_backbone(name)
        heads = [DINOHead(in_dim=backbone.embed_dim, out_dim=n_prototypes) for _ in range(2)]
    return sizes_of(SelfDistillationNetwork(backbone=backbone, dino_head=heads[0], ibot_head=heads[1]))


def n_patches(sizes: Sizes, px: int) -> int:
    return (px // sizes.patch_size) ** 2


def n_tokens(sizes: Sizes, px: int) -> int:
    return sizes.n_prefix_tokens + n_patches(sizes, px)


def backbone_flops(sizes: Sizes, px: int) -> float:
    """Forward of one crop: every token meets every weight, and every token every token, as key and as value."""
    tokens = n_tokens(sizes, px)
    return 2 * (tokens * sizes.block_weights + 2 * sizes.depth * tokens**2 * sizes.embed_dim) + patch_flops(sizes, px)


def patch_flops(sizes: Sizes, px: int) -> float:
    return 2 * n_patches(sizes, px) * sizes.patch_weights


def step_flops(sizes: Sizes, crops: Crops) -> dict[str, float]:
    """FLOPs of a training step for one image, by part; their sum is the numerator of the MFU."""
    masked = crops.mask_share * crops.n_global * n_patches(sizes, crops.global_px)
    of_global = crops.n_global * backbone_flops(sizes, crops.global_px)
    of_local = crops.n_local * backbone_flops(sizes, crops.local_px)
    embedding = sum(
        n * patch_flops(sizes, px) for n, px in ((crops.n_global, crops.global_px), (crops.n_local, crops.local_px))
    )
    student = of_global + of_local + 2 * sizes.head_weights * (crops.n_global + crops.n_local + masked)
    parts = {
        "teacher forward": of_global + 2 * sizes.head_weights * (crops.n_global + masked),
        "student forward": student,
        "student backward": 2 * student - embedding,
    }
    if crops.gram_px:
        matrix = 2 * crops.n_global * n_patches(sizes, crops.global_px) ** 2 * sizes.embed_dim
        parts["gram teacher forward"] = crops.n_global * backbone_flops(sizes, crops.gram_px)
        # the teacher's matrix, the student's and its gradient
        parts["Gram matrices"] = 4 * matrix
    return parts


def stage_flops(sizes: Sizes, stage: Stage) -> dict[str, float]:
    """Mean of `step_flops` over the crops of a stage."""
    parts = [(share, step_flops(sizes, crops)) for share, crops in stage.crops]
    return {name: sum(share * part[name] for share, part in parts) for name in parts[0][1]}


def gpu_hours(flops: float, *, mfu: float, peak_tflops: float) -> float:
    """Hours of one GPU at a share ``mfu`` of its peak."""
    return flops / (mfu * peak_tflops * 1e12) / 3600


def activation_gib(sizes: Sizes, crops: Crops, n_images: int, *, checkpointing: bool = False) -> float:
    """Kept by the student's blocks for the backward pass; with checkpointing their inputs, and all of one block."""
    tokens = crops.n_global * n_tokens(sizes, crops.global_px) + crops.n_local * n_tokens(sizes, crops.local_px)
    of_token = sizes.depth * token_bytes(sizes)
    if checkpointing:
        of_token = sizes.depth * 4 * sizes.embed_dim + token_bytes(sizes)
    return n_images * tokens * of_token / 2**30


def token_bytes(sizes: Sizes) -> float:
    """Kept for a token by one block."""
    return ACTIVATION_BYTES * sizes.embed_dim + 2 * sizes.ffn_columns


def logits_gib(sizes: Sizes, crops: Crops, n_images: int) -> float:
    """What has as many columns as prototypes: logits and the gradient in bf16, the assignment in fp32."""
    masked = crops.mask_share * crops.n_global * n_patches(sizes, crops.global_px)
    of_teacher, of_student = crops.n_global + masked, crops.n_global + crops.n_local + masked
    return n_images * sizes.n_prototypes * ((2 + 4) * of_teacher + (2 + 2) * of_student) / 2**30


def ddp_bytes(sizes: Sizes, n_processes: int) -> float:
    """Sent by a process in a step: an all-reduce of fp32 gradients sends almost twice their bytes."""
    return 2 * (n_processes - 1) / n_processes * 4 * sizes.parameters


def fsdp_bytes(sizes: Sizes, n_processes: int) -> float:
    """The same: bf16 parameters gathered for teacher, student and its backward pass, fp32 gradients scattered."""
    return (n_processes - 1) / n_processes * (3 * 2 + 4) * sizes.parameters


def cores_per_gpu(images_per_second: float, stage: Stage, *, render_on_device: bool = False) -> float:
    """Cores that read slices and cut the crops for one GPU, by the pixels that are cut."""
    seconds = 1 / SLICES_PER_SECOND + 1 / DRAWS_PER_SECOND
    if not render_on_device:
        pixels = sum(share * crops.pixels for share, crops in stage.crops)
        seconds = 1 / SLICES_PER_SECOND + pixels / (SAMPLES_PER_SECOND * Crops().pixels)
    return images_per_second * seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="vit_base")
    parser.add_argument("--mfu", type=float, default=0.35)
    parser.add_argument("--peak-tflops", type=float, default=989.0, help="dense bf16; H100 SXM and H200: 989")
    parser.add_argument("--memory-tbps", type=float, default=3.35, help="of the GPU's memory; H200: 4.8")
    parser.add_argument("--check", action="store_true", help="compare with torch's counter and exit")
    args = parser.parse_args()
    if args.check:
        print(table([check_flops(), *map(check_activations, ("vit_small", "vit_small_plus"))]))
        return
    sizes = preset_sizes(args.model)
    rate = args.mfu * args.peak_tflops * 1e12
    for title, rows in {
        "GFLOP an image": flops_table(sizes),
        "GPU hours": hours_table(sizes, args.mfu, args.peak_tflops),
        "ms of a step of stage 1, global batch 512": step_table(sizes, rate, args.memory_tbps),
        "ms of a step of stage 1, 64 images a GPU, on 64 GPUs": communication_table(rate),
        "cores for crops": data_table(sizes, rate),
        "GiB a GPU": memory_table(),
    }.items():
        print(f"{title}\n\n{table(rows)}\n")


def flops_table(sizes: Sizes) -> list[dict[str, str]]:
    rows = []
    for stage in STAGES:
        parts = stage_flops(sizes, stage)
        names = ("teacher forward", "gram teacher forward", "student forward", "student backward", "Gram matrices")
        row = {name: f"{parts.get(name, 0) / 1e9:.0f}" for name in names}
        rows.append({"stage": stage.name, **row, "sum": f"{sum(parts.values()) / 1e9:.0f}"})
    return rows


def hours_table(sizes: Sizes, mfu: float, peak_tflops: float) -> list[dict[str, str]]:
    totals = [
        (stage.name, stage.iterations, stage.iterations * GLOBAL_BATCH * sum(stage_flops(sizes, stage).values()))
        for stage in STAGES
    ]
    totals.append(("all", sum(number for _, number, _ in totals), sum(flops for *_, flops in totals)))
    rows = []
    for name, iterations, flops in totals:
        hours = gpu_hours(flops, mfu=mfu, peak_tflops=peak_tflops)
        wall = {f"hours on {n}": f"{hours / n:.1f}" for n in (1, 8, 64)}
        rows.append({"stage": name, "iterations": f"{iterations:,}", "EFLOP": f"{flops / 1e18:.1f}", **wall})
    return rows


def step_table(sizes: Sizes, rate: float, memory_tbps: float) -> list[dict[str, str]]:
    flops = sum(step_flops(sizes, Crops()).values())
    rows = []
    for n_gpus in (1, 8, 64):
        images = GLOBAL_BATCH // n_gpus
        n_bytes = ddp_bytes(sizes, n_gpus)
        rows.append(
            {
                "GPUs": str(n_gpus),
                "images a GPU": str(images),
                "matrix products": f"{1e3 * images * flops / rate:.0f}",
                "clipping, AdamW, EMA": f"{1e3 * UPDATE_BYTES * sizes.parameters / (memory_tbps * 1e12):.1f}",
                **{f"gradients, {name}": f"{1e3 * n_bytes / speed:.1f}" for name, speed in LINKS.items()},
            }
        )
    return rows


def communication_table(rate: float, images: int = 64, n_gpus: int = 64) -> list[dict[str, str]]:
    rows = []
    for name in MODELS:
        sizes = preset_sizes(name)
        row = {
            "model": name,
            "matrix products": f"{1e3 * images * sum(step_flops(sizes, Crops()).values()) / rate:.0f}",
        }
        for kind, n_bytes in (("DDP", ddp_bytes(sizes, n_gpus)), ("FSDP2", fsdp_bytes(sizes, n_gpus))):
            row[f"{kind}, GB sent"] = f"{n_bytes / 1e9:.1f}"
            row |= {f"{kind}, {link}": f"{1e3 * n_bytes / speed:.0f}" for link, speed in LINKS.items()}
        rows.append(row)
    return rows


def data_table(sizes: Sizes, rate: float) -> list[dict[str, str]]:
    rows = []
    for stage in STAGES:
        speed = rate / sum(stage_flops(sizes, stage).values())
        pixels = sum(share * crops.pixels for share, crops in stage.crops)
        rows.append(
            {
                "stage": stage.name,
                "images/s a GPU": f"{speed:.0f}",
                "megapixels an image": f"{pixels / 1e6:.2f}",
                "cores a GPU": f"{cores_per_gpu(speed, stage):.1f}",
                "with render_on_device": f"{cores_per_gpu(speed, stage, render_on_device=True):.1f}",
            }
        )
    return rows


def memory_table() -> list[dict[str, str]]:
    cells = [(name, STAGES[0], 64) for name in MODELS]
    cells += [("vit_base", STAGES[0], 512), ("vit_base", STAGES[2], 64), ("vit_base", STAGES[2], 8)]
    rows = []
    for name, stage, images in cells:
        sizes, crops = preset_sizes(name), stage.crops[-1][1]
        gram = 4 * sizes.backbone_parameters if crops.gram_px else 0
        state = (STATE_BYTES * sizes.parameters + gram) / 2**30
        parts = {
            "state": state,
            "state, 8 shards": state / 8,
            "activations": activation_gib(sizes, crops, images),
            "recomputed": activation_gib(sizes, crops, images, checkpointing=True),
            "logits": logits_gib(sizes, crops, images),
        }
        rows.append(
            {
                "model": name,
                "stage": stage.name,
                "images a GPU": str(images),
                "parameters": f"{sizes.parameters / 1e6:,.0f} M",
                **{key: f"{value:.1f}" for key, value in parts.items()},
            }
        )
    return rows


def check_flops() -> dict[str, str]:
    """`step_flops` against what torch counts in a step of a small network with gram teacher."""
    torch.manual_seed(0)
    crops, n_images = Crops(global_px=96, local_px=48, gram_px=128), 4
    backbone = DinoVisionTransformer(embed_dim=192, depth=3, num_heads=3, n_storage_tokens=4)
    heads = [DINOHead(in_dim=192, out_dim=2048, hidden_dim=256, bottleneck_dim=64) for _ in range(2)]
    network = StudentTeacher(backbone=backbone, dino_head=heads[0], ibot_head=heads[1], gram_teacher="frozen")
    batch = {
        name: torch.randn(n * n_images, 3, px, px)
        for name, n, px in (
            ("global_crops", crops.n_global, crops.global_px),
            ("local_crops", crops.n_local, crops.local_px),
            ("gram_teacher_crops", crops.n_global, crops.gram_px or 0),
        )
    }
    masks = collate_masks(
        n_crops=crops.n_global,
        n_samples=n_images,
        generator=np.random.default_rng(0),
        grid=(crops.global_px // 16, crops.global_px // 16),
        mask_probability=0.5,
        mask_ratio=(0.1, 0.5),
    )
    objective = SelfDistillationObjective(gram_loss=GramLoss())
    # the math kernel's products are counted as they are; others recompute in the backward pass
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        terms = objective(network({**batch, **masks}), masks, teacher_temp=0.07, gram_weight=1.0)
        terms["loss"].backward()
    crops = replace(crops, mask_share=masks["n_masked_patches"] / masks["masks"].numel())
    formula, counted = n_images * sum(step_flops(sizes_of(network.student), crops).values()), counter.get_total_flops()
    return compared("FLOPs of a step", formula, counted)


def check_activations(name: str) -> dict[str, str]:
    """`token_bytes` against what autograd keeps of a backbone under autocast, weights apart."""
    backbone = vit_backbone(name, pos_embed_rope_dtype="bf16")
    # bf16 copies of weights are no activations; they are told by their shapes
    weights = {tensor.shape for p in backbone.parameters() for tensor in (p, p.T if p.ndim == 2 else p)}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.shape not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    images = torch.randn(2, 3, 256, 256)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), torch.autocast("cpu", torch.bfloat16):
        tokens = backbone.forward_features(images)["x_prenorm"]
    assert tokens is not None
    formula = token_bytes(preset_sizes(name)) * len(tokens) * tokens.shape[1] * backbone.depth
    return compared(f"bytes kept by {name}", formula, sum(kept.values()))


def compared(what: str, formula: float, counted: float) -> dict[str, str]:
    return {
        "what": what,
        "formula": f"{formula:.4g}",
        "counted by torch": f"{counted:.4g}",
        "ratio": f"{formula / counted:.4f}",
    }


if __name__ == "__main__":
    main()
