"""Group parameters for fine-tuning: the encoder and the rest."""

from __future__ import annotations

from typing import Any

from monai.optimizers import generate_param_groups
from torch import nn


def fine_tuning_groups(*, network: nn.Module, encoder_learning_rate: float) -> list[dict[str, Any]]:
    """Return one group with the encoder's learning rate, and one with all other parameters and the optimiser's rate.

    Args:
        network: network with its encoder as ``backbone``; a network without this attribute is a single group.
        encoder_learning_rate: learning rate of the encoder.
    """
    if not hasattr(network, "backbone"):
        return [{"params": list(network.parameters())}]
    groups: list[dict[str, Any]] = generate_param_groups(
        network, [lambda whole: whole.backbone], ["select"], [encoder_learning_rate]
    )
    return groups
