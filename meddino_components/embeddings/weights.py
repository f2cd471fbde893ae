"""The weights of an encoder: from a file or the hub, or random ones that are the same in every run."""

from __future__ import annotations

import torch

from ..checkpoints import RANDOM, load_backbone_weights
from ..networks import DinoVisionTransformer


def with_weights(
    backbone: DinoVisionTransformer,
    source: str,
    *,
    device: torch.device | str = "cpu",
    seed: int = 0,
    sha256: str | None = None,
) -> DinoVisionTransformer:
    """Give a backbone its weights and move it to its device.

    Args:
        backbone: changed in place.
        source: a known encoder, a path or ``hf://owner/name``, see `load_backbone_weights`; or "random": drawn anew
            from ``seed``, whatever was drawn before, so that embeddings of random weights are found again.
        device: device to move the backbone to.
        seed: seed for random weights; the global random states are not changed.
        sha256: expected SHA-256 of the weights' file.

    Raises:
        InputError: see `load_backbone_weights`.
    """
    if source != RANDOM:
        load_backbone_weights(backbone, source, sha256=sha256)
        return backbone.to(device)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # only the CPU's generator: that of a GPU is not changed
        for module in backbone.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.reset_parameters()
        backbone.init_weights()
    return backbone.to(device)
