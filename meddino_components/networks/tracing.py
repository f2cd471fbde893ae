"""Whether a network is being recorded rather than run."""

from __future__ import annotations

import torch


def is_traced() -> bool:
    """True while `torch.export`, `torch.compile` or `torch.jit.trace` records: no loop may depend on a size then."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined]
