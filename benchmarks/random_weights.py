"""Weights of the network that a bundle's fine-tuning would train, as it starts, with the record that it would write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from meddino_components.checkpoints import write_weights


def write_random_weights(
    bundle: Path,
    path: Path,
    configs: Sequence[str] = ("train",),
    overrides: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> None:
    """Write the weights file; the record names no training cases.

    Args:
        bundle: folder of the bundle.
        path: where to.
        configs: names of the configurations, without ``.json``.
        overrides: values of top-level keys; others than the configurations have are left out.
        seed: seed of the weights.
    """
    parser = ConfigParser()
    parser.read_config([str(bundle / "configs" / f"{name}.json") for name in configs])
    config = parser.get()
    parser.update({key: value for key, value in (overrides or {}).items() if key in config})
    del config["network_def"]["_requires_"]
    config["record"] |= {"encoder": None, "trained_further": None}
    config["record"]["data"] |= {"training_cases": [], "validation_cases": []}
    torch.manual_seed(seed)
    network, record = (parser.get_parsed_content(key) for key in ("network_def", "record"))
    write_weights(network.state_dict(), path, record=record)
