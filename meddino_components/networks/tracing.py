"""Detect whether a network is being recorded rather than run."""

from __future__ import annotations

import torch


def is_traced() -> bool:
    """Return whether `torch.export`, `torch.compile` or `torch.jit.trace` is recording: loops may then not depend on
    sizes."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined]
