"""Parameter groups of fine-tuning, by part."""

from __future__ import annotations

from typing import Any

from monai.optimizers import generate_param_groups
from torch import nn


def fine_tuning_groups(*, network: nn.Module, encoder_learning_rate: float) -> list[dict[str, Any]]:
    """The encoder with a rate of its own, and all else with the optimiser's.

    Args:
        network: with its encoder as ``backbone``; a network without one is a single group.
        encoder_learning_rate: learning rate of the encoder.
    """
    if not hasattr(network, "backbone"):
        return [{"params": list(network.parameters())}]
    groups: list[dict[str, Any]] = generate_param_groups(
        network, [lambda whole: whole.backbone], ["select"], [encoder_learning_rate]
    )
    return groups
