"""What a step of self-distillation costs on paper: FLOPs, memory, bytes between GPUs, cores, hours of GPUs.

Counted are matrix products, two FLOPs a multiply-add: linear layers, patch embedding, attention, heads and Gram
matrices. The backward pass counts twice the forward, without the gradient of the images; recomputed activations do not
count. `scaling_tables.py` makes the tables of `docs/scaling.md` of these formulas, `flops_check.py` compares them with
what torch counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from meddino_components.networks import DINOHead, DinoVisionTransformer, vit_backbone
from meddino_components.networks.layers import SwiGlu
from meddino_components.self_distillation.student_teacher import SelfDistillationNetwork

# half of the global crops, 10 to 50 % of their patches
MASK_SHARE = 0.15
# kept for the backward pass under bf16 autocast, for a token and block, times the width, without what lies inside the
# feed-forward network. fp32: input of both branches. bf16: normalised input, q, k, v, rotated q and k, attention and
# its projection, normalised input and output of the feed-forward network
ACTIVATION_BYTES = 2 * 4 + 2 * (1 + 3 + 2 + 1 + 1 + 1 + 1)
# measured, of one core: crops of stage 1 with the full recipe (multi_crop.py), slices read at random (slice_store.py),
# windows and changes drawn without cutting a crop
SAMPLES_PER_SECOND, SLICES_PER_SECOND, DRAWS_PER_SECOND = 144.0, 1000.0, 2500.0


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
