"""Recorded numbers of the official code: the committed part, or a whole set named by MEDDINO_GOLDEN."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from .check import REPOSITORY

GOLDEN = Path(os.environ.get("MEDDINO_GOLDEN") or REPOSITORY / "tests" / "parity" / "golden")


def tensors(name: str, device: torch.device) -> dict[str, Tensor]:
    """Of one file of the set, on the device."""
    return {key: value.to(device) for key, value in load_file(GOLDEN / name).items()}


def settings(name: str) -> Any:
    """Of one JSON file of the set."""
    return json.loads((GOLDEN / name).read_text(encoding="utf-8"))


def variants(folder: str, end: str) -> list[str]:
    """What was recorded in a folder of the set, by the names of files with this end."""
    found = sorted(path.name.removesuffix(end) for path in (GOLDEN / folder).glob(f"*{end}"))
    if not found:
        raise FileNotFoundError(f"{GOLDEN / folder}: no *{end}")
    return found
