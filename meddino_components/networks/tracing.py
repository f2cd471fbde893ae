"""Detect whether a network is being recorded rather than run."""

from __future__ import annotations

import torch


def is_traced() -> bool:
    """Return whether `torch.export`, `torch.compile` or `torch.jit.trace` records: no loop may depend on a size."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined]
