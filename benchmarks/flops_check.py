"""Do the formulas of `flops.py` give what torch counts and keeps?

Run: ``python benchmarks/flops_check.py``.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from common import table
from flops import Crops, preset_sizes, sizes_of, step_flops, token_bytes
from random_batch import random_batch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from meddino_components.losses import GramLoss
from meddino_components.networks import DINOHead, DinoVisionTransformer, vit_backbone
from meddino_components.self_distillation import SelfDistillationObjective, StudentTeacher


def main() -> None:
    print(table([check_flops(), *map(check_activations, ("vit_small", "vit_small_plus"))]))


def check_flops() -> dict[str, str]:
    """`step_flops` against what torch counts in a step of a small network with gram teacher."""
    torch.manual_seed(0)
    crops, n_images = Crops(global_px=96, local_px=48, gram_px=128), 4
    backbone = DinoVisionTransformer(embed_dim=192, depth=3, num_heads=3, n_storage_tokens=4)
    heads = [DINOHead(in_dim=192, out_dim=2048, hidden_dim=256, bottleneck_dim=64) for _ in range(2)]
    network = StudentTeacher(backbone=backbone, dino_head=heads[0], ibot_head=heads[1], gram_teacher="frozen")
    batch = random_batch(crops, n_images)
    objective = SelfDistillationObjective(gram_loss=GramLoss())
    # the math kernel's products are counted as they are; others recompute in the backward pass
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        terms = objective(network(batch), batch, teacher_temp=0.07, gram_weight=1.0)
        terms["loss"].backward()
    crops = replace(crops, mask_share=batch["n_masked_patches"] / batch["masks"].numel())
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
