"""Parameter groups of self-distillation, by depth, without weight decay of norms and biases."""

from __future__ import annotations

import re
from typing import Any

from torch import nn

from ..placement.devices import unwrap

_BLOCK = re.compile(r"(?:^|\.)blocks\.(\d+)\.")
_TOKENS = ("cls_token", "storage_tokens", "mask_token")


def parameter_groups(
    module: nn.Module,
    *,
    lr_decay_rate: float = 1.0,
    patch_embed_lr_mult: float = 1.0,
    dino_head_wd_multiplier: float = 1.0,
) -> list[dict[str, Any]]:
    """Groups for a torch optimiser, with the factors by which a scheduler multiplies its values.

    With n transformer blocks, block i learns with ``lr_decay_rate ** (n - i)`` of the learning rate, patch embedding
    and tokens with ``lr_decay_rate ** (n + 1)``, all else, the final norms and heads, with all of it. Norms, biases and
    LayerScale have no weight decay; CLS, storage and mask tokens do have it.

    The official training calls this for each part (backbone, DINO head, iBOT head) on its own.
    ``dino_head_wd_multiplier`` goes by names that contain ``dino_head``, which a head's own do not: there it changes
    nothing, and it takes effect only for a module that holds the head under that name.

    Args:
        module: a backbone, a head, or a module that holds them. Parameters without gradient are left out.
        lr_decay_rate: factor from one block to the one before it.
        patch_embed_lr_mult: further factor for the patch embedding.
        dino_head_wd_multiplier: factor of the weight decay of the DINO head.

    Returns:
        Dicts of ``params``, ``lr_multiplier``, ``wd_multiplier`` and ``is_last_layer`` (the prototypes of a head, whose
        learning rate has a schedule of its own), one for each combination that occurs.

    Reference: golden values of the official DINOv3 code.
    """
    named = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    blocks = [int(found[1]) for found in (_BLOCK.search(name) for name, _ in named) if found]
    n_blocks = max(blocks, default=-1) + 1
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    for name, parameter in named:
        lr_multiplier = lr_decay_rate ** (n_blocks + 1 - _layer(name, n_blocks))
        if "patch_embed" in name:
            lr_multiplier *= patch_embed_lr_mult
        wd_multiplier = dino_head_wd_multiplier if "dino_head" in name else 1.0
        if name.endswith("bias") or "norm" in name or "gamma" in name:
            wd_multiplier = 0.0
        groups.setdefault((lr_multiplier, wd_multiplier, "last_layer" in name), []).append(parameter)
    return [
        {"params": params, "lr_multiplier": lr, "wd_multiplier": wd, "is_last_layer": is_last}
        for (lr, wd, is_last), params in groups.items()
    ]


def self_distillation_groups(
    network: nn.Module, *, lr_decay_rate: float = 1.0, patch_embed_lr_mult: float = 1.0
) -> list[dict[str, Any]]:
    """`parameter_groups` of the student's backbone and heads, each part on its own as the official training does.

    Args:
        network: `StudentTeacher`, or that in DDP.
        lr_decay_rate: see `parameter_groups`.
        patch_embed_lr_mult: the same.
    """
    return [
        group
        for part in unwrap(network).student.children()
        for group in parameter_groups(part, lr_decay_rate=lr_decay_rate, patch_embed_lr_mult=patch_embed_lr_mult)
    ]


def _layer(name: str, n_blocks: int) -> int:
    """0 for the input, i + 1 for block i, n + 1 for what follows the blocks."""
    block = _BLOCK.search(name)
    if block:
        return int(block[1]) + 1
    return 0 if "patch_embed" in name or any(token in name for token in _TOKENS) else n_blocks + 1
