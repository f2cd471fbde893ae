"""The axial rotary position embedding of patch tokens.

Shapes: H, W patch grid; P = H * W patches; R storage tokens; d width of one attention head.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .tracing import is_traced

CoordinateNormalization = Literal["separate", "min", "max"]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "fp64": torch.float64}
_LOW_PRECISION = (torch.bfloat16, torch.float16)


class RopePositionEmbedding(nn.Module):
    r"""Sine and cosine of the angles :math:`2\pi c / T` for every patch centre c and period T.

    Patch centres are scaled to [-1, 1] on each axis. Half of a head's angle channels encode the row, half the
    column. In training the coordinates can be shifted, stretched per axis (jitter) and rescaled, in this order.

    Args:
        embed_dim: width of the transformer; ``embed_dim / num_heads`` must be a multiple of 4.
        num_heads: number of attention heads.
        base: base of the geometric series of periods; exclusive with ``min_period`` and ``max_period``.
        min_period: smallest period, in units of the normalised coordinates.
        max_period: largest period.
        normalize_coords: normalisation of coordinates: rows by H and columns by W (``separate``), or both by min or max
            of (H, W).
        shift_coords: bound s; in training, add an offset drawn from U(-s, s) per axis.
        jitter_coords: bound j; in training, multiply each axis by exp(U(-log j, log j)).
        rescale_coords: bound r; in training, multiply both axes by one exp(U(-log r, log r)).
        dtype: precision of coordinates, angles and the rotation itself (``fp32``, ``bf16``, ``fp64``).

    Raises:
        ValueError: the periods are given in neither or both ways, or the width cannot be divided.

    Reference:
        Su et al., RoFormer, arXiv 2104.09864; Simeoni et al., DINOv3, arXiv 2508.10104, section 3.2.
    """

    periods: Tensor

    def __init__(
        self,
        *,
        embed_dim: int,
        num_heads: int,
        base: float | None = 100.0,
        min_period: float | None = None,
        max_period: float | None = None,
        normalize_coords: CoordinateNormalization = "separate",
        shift_coords: float | None = None,
        jitter_coords: float | None = None,
        rescale_coords: float | None = None,
        dtype: str = "fp32",
    ) -> None:
        super().__init__()
        if embed_dim % (4 * num_heads):
            raise ValueError(f"embed_dim {embed_dim} must be a multiple of 4 x num_heads ({num_heads})")
        by_range = min_period is not None and max_period is not None
        if (base is None) != by_range:
            raise ValueError("give either `base`, or both `min_period` and `max_period`")
        if normalize_coords not in ("separate", "min", "max"):
            raise ValueError(f"normalize_coords must be 'separate', 'min' or 'max', got {normalize_coords!r}")
        self.head_dim = embed_dim // num_heads
        self.base, self.min_period, self.max_period = base, min_period, max_period
        self.normalize_coords = normalize_coords
        self.shift_coords, self.jitter_coords, self.rescale_coords = shift_coords, jitter_coords, rescale_coords
        self.dtype = _DTYPES[dtype]
        # persistent, because the public checkpoints contain it
        self.register_buffer("periods", self.compute_periods())

    @property
    def augments(self) -> bool:
        """Return whether a call draws random coordinates, so that blocks must not share one call."""
        return self.training and any(
            value is not None for value in (self.shift_coords, self.jitter_coords, self.rescale_coords)
        )

    def compute_periods(self, device: torch.device | None = None) -> Tensor:
        """Recompute the periods [d / 4] from the module's arguments, in its own precision."""
        n_periods = self.head_dim // 4
        if self.base is not None:
            exponents = 2 * torch.arange(n_periods, device=device, dtype=self.dtype) / (self.head_dim // 2)
            return self.base**exponents
        assert self.min_period is not None
        assert self.max_period is not None
        ratio = self.max_period / self.min_period
        exponents = torch.linspace(0, 1, n_periods, device=device, dtype=self.dtype)
        return ratio**exponents / ratio * self.max_period

    def _apply(self, fn, recurse=True):  # type: ignore[no-untyped-def]
        super()._apply(fn, recurse)
        if self.periods.dtype in _LOW_PRECISION and self.dtype not in _LOW_PRECISION:
            # casting a network to bf16 must not round the angles of far patches
            self.periods = self.compute_periods(self.periods.device)
        return self

    def forward(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Return (sin, cos), each [P, d], for a grid of ``height`` x ``width`` patches."""
        coords = self._augment(self._coordinates(height, width))
        angles = 2 * math.pi * coords[:, :, None] / self.periods.to(coords.dtype)  # [P, 2, d / 4]
        angles = angles.flatten(1).tile(2)  # both halves of a head are rotated by the same angles
        return torch.sin(angles), torch.cos(angles)

    def _coordinates(self, height: int, width: int) -> Tensor:
        """Return the patch centres in [-1, 1], [P, 2]."""
        if self.normalize_coords == "separate":
            norm_h, norm_w = height, width
        else:
            norm_h = norm_w = min(height, width) if self.normalize_coords == "min" else max(height, width)
        # a network cast to double also computes its angles in double
        dtype = torch.float64 if self.periods.dtype == torch.float64 else self.dtype
        rows = torch.arange(0.5, height, device=self.periods.device, dtype=dtype) / norm_h
        columns = torch.arange(0.5, width, device=self.periods.device, dtype=dtype) / norm_w
        coords = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).flatten(0, 1)
        return 2 * coords - 1

    def _augment(self, coords: Tensor) -> Tensor:
        if not self.augments:
            return coords
        shift, jitter, rescale = self._draw_augmentation(coords)
        return (coords + shift) * jitter * rescale

    def _draw_augmentation(self, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Draw shift [2], jitter [2] and rescale [1]; neutral values if not requested."""
        shift, jitter, rescale = like.new_zeros(2), like.new_ones(2), like.new_ones(1)
        if self.shift_coords is not None:
            shift.uniform_(-self.shift_coords, self.shift_coords)
        if self.jitter_coords is not None:
            jitter.uniform_(-math.log(self.jitter_coords), math.log(self.jitter_coords)).exp_()
        if self.rescale_coords is not None:
            rescale.uniform_(-math.log(self.rescale_coords), math.log(self.rescale_coords)).exp_()
        return shift, jitter, rescale


def pad_rope_for_prefix(sin: Tensor, cos: Tensor, n_prefix: int) -> tuple[Tensor, Tensor]:
    """Prepend the identity rotation for the CLS and storage tokens: [P, d] -> [n_prefix + P, d]."""
    sin = torch.cat((sin.new_zeros(n_prefix, sin.shape[1]), sin))
    cos = torch.cat((cos.new_ones(n_prefix, cos.shape[1]), cos))
    return sin, cos


def without_autocast(like: Tensor) -> AbstractContextManager[Any]:
    """Keep angles in their own precision: autocast to fp16 cannot concatenate bf16 tensors."""
    device = like.device.type
    # "meta" has no autocast
    if device != "meta" and torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) == torch.float16:
        return torch.autocast(device, enabled=False)
    return nullcontext()


def rotate(x: Tensor, sin: Tensor, cos: Tensor) -> Tensor:
    """Rotate the channel pairs (i, i + d / 2) of x [..., d] by the angles behind ``sin`` and ``cos``.

    It is computed in the precision of ``sin``, whatever that of ``x``: published networks differ in it. A rotation's
    gradient is the inverse rotation, so only the angles are kept for the backward pass.
    """
    if torch.is_grad_enabled() and x.requires_grad:
        return _Rotation.apply(x, sin, cos)
    return _rotated(x, sin, cos)


def _rotated(x: Tensor, sin: Tensor, cos: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    wide = x.to(sin.dtype)
    first, second = wide.split(half, dim=-1)
    if is_traced():
        # same numbers as below, but writing into halves would become scatter operations in an exported graph
        sin, cos = sin[..., :half], cos[..., :half]
        with without_autocast(x):
            return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).to(x.dtype)
    out = wide * cos
    sin = sin[..., :half]
    # not addcmul: in bf16 it would round once where the published network rounds twice
    out[..., :half] -= second * sin
    out[..., half:] += first * sin
    return out.to(x.dtype)


class _Rotation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, sin: Tensor, cos: Tensor) -> Tensor:
        ctx.save_for_backward(sin, cos)
        return _rotated(x, sin, cos)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        sin, cos = ctx.saved_tensors
        return rotate(grad, -sin, cos), None, None
