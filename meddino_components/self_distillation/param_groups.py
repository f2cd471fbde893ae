"""Group parameters for self-distillation by depth, without weight decay for norms and biases."""

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
    """Return groups for a torch optimiser, with the factors by which a scheduler multiplies its values.

    With n transformer blocks, block i has ``lr_decay_rate ** (n - i)`` times the learning rate, patch embedding and
    tokens ``lr_decay_rate ** (n + 1)`` times; final norms and heads have the full rate. Norms, biases and
    LayerScale have no weight decay; CLS, storage and mask tokens have it.

    The official training calls this for each part (backbone, DINO head, iBOT head) on its own.
    ``dino_head_wd_multiplier`` applies to names that contain ``dino_head``. Names inside a head do not, so it only
    takes effect for a module that holds the head under that name.

    Args:
        module: backbone, head, or a module that contains them. Parameters without gradient are left out.
        lr_decay_rate: factor from one block to the previous one.
        patch_embed_lr_mult: further factor for the patch embedding.
        dino_head_wd_multiplier: factor for the weight decay of the DINO head.

    Returns:
        Dicts of ``params``, ``lr_multiplier``, ``wd_multiplier`` and ``is_last_layer`` (the prototypes of a head, whose
        learning rate has its own schedule), one for each combination that occurs.

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
    """Return `parameter_groups` for each of the student's backbone and heads, as in the official training.

    Args:
        network: `StudentTeacher`, possibly wrapped in DDP.
        lr_decay_rate: factor from one block to the previous one, see `parameter_groups`.
        patch_embed_lr_mult: further factor for the patch embedding, see `parameter_groups`.
    """
    return [
        group
        for part in unwrap(network).student.children()
        for group in parameter_groups(part, lr_decay_rate=lr_decay_rate, patch_embed_lr_mult=patch_embed_lr_mult)
    ]


def _layer(name: str, n_blocks: int) -> int:
    """Return 0 for the input, i + 1 for block i, n + 1 for layers after the blocks."""
    block = _BLOCK.search(name)
    if block:
        return int(block[1]) + 1
    return 0 if "patch_embed" in name or any(token in name for token in _TOKENS) else n_blocks + 1
