"""How far two tensors are apart, and the settings under which fp32 means fp32."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from .check import Figures, require


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Norm of the difference over the norm of what is expected; infinite if anything found is not finite."""
    found, expected = found.detach().double().cpu(), expected.detach().double().cpu()
    if found.shape != expected.shape or not bool(torch.isfinite(found).all()):
        return float("inf")
    scale = float(expected.norm())
    return float((found - expected).norm()) / (scale if scale > 0 else 1.0)


def worst(pairs: Iterable[tuple[str, Tensor, Tensor]]) -> tuple[str, float]:
    """Name and relative error of what is farthest from what is expected."""
    errors = {name: relative_error(found, expected) for name, found, expected in pairs}
    if not errors:
        raise ValueError("nothing was compared")
    name = max(errors, key=lambda key: errors[key])
    return name, errors[name]


def check_limits(figures: Figures, errors: Mapping[str, tuple[str, float]], limits: Mapping[str, float]) -> None:
    """Record the worst error of each kind, then require that all keep their limits."""
    for kind, (name, error) in errors.items():
        figures[kind] = {"worst": name, "relative_error": float(f"{error:.3g}"), "limit": limits[kind]}
    for kind, (name, error) in errors.items():
        require(error <= limits[kind], f"{kind}: {name} is off by {error:.3g} of its norm, allowed {limits[kind]:g}")


@contextmanager
def full_precision() -> Iterator[None]:
    """fp32 products in fp32: no TF32."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
