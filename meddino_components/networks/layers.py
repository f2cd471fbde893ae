"""Small layers of the DINOv3 transformer: norms, LayerScale, feed-forward networks, patch embedding."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# eps of RMSNorm and the two LayerNorms, by their names in the published configurations
_NORM_EPS = {"layernorm": 1e-6, "layernormbf16": 1e-5, "rmsnorm": 1e-5}

# multiple to which a SwiGLU's hidden width is rounded up, by its name in the published configurations
_SWIGLU_ALIGNMENT = {"swiglu": 8, "swiglu32": 32, "swiglu64": 64, "swiglu128": 128}


def make_norm(name: str, dim: int) -> nn.Module:
    """Return a norm over the last axis: ``layernorm`` (eps 1e-6), ``layernormbf16`` (1e-5) or ``rmsnorm`` (1e-5)."""
    if name not in _NORM_EPS:
        raise ValueError(f"norm_layer must be one of {sorted(_NORM_EPS)}, got {name!r}")
    if name == "rmsnorm":
        return nn.RMSNorm(dim, eps=_NORM_EPS[name])
    return nn.LayerNorm(dim, eps=_NORM_EPS[name])


class LayerScale(nn.Module):
    """Multiply every channel by a learnt factor.

    Reference: Touvron et al., Going deeper with image transformers, arXiv 2103.17239, section 2.
    """

    def __init__(self, *, dim: int, init_value: float = 1e-5) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), init_value))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Mlp(nn.Module):
    """Feed-forward network: linear layer, GELU (erf), linear layer."""

    def __init__(self, *, dim: int, hidden_dim: int, bias: bool = True) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim, bias=bias)
        self.fc2 = nn.Linear(hidden_dim, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class SwiGlu(nn.Module):
    """Gated feed-forward network: ``w3(silu(w1 x) * w2 x)``.

    The hidden width is two thirds of ``hidden_dim``, to match the parameter count of an MLP, rounded up to a multiple
    of ``align_to``.

    Reference: Shazeer, GLU variants improve transformer, arXiv 2002.05202.
    """

    def __init__(self, *, dim: int, hidden_dim: int, align_to: int = 8, bias: bool = True) -> None:
        super().__init__()
        width = math.ceil(int(hidden_dim * 2 / 3) / align_to) * align_to
        self.w1 = nn.Linear(dim, width, bias=bias)
        self.w2 = nn.Linear(dim, width, bias=bias)
        self.w3 = nn.Linear(width, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.w3(F.silu(self.w1(x)) * self.w2(x))


def make_ffn(name: str, *, dim: int, hidden_dim: int, bias: bool = True) -> nn.Module:
    """Return the feed-forward network of a block: ``mlp``, or ``swiglu`` with its alignment (``swiglu64``)."""
    if name == "mlp":
        return Mlp(dim=dim, hidden_dim=hidden_dim, bias=bias)
    if name in _SWIGLU_ALIGNMENT:
        return SwiGlu(dim=dim, hidden_dim=hidden_dim, align_to=_SWIGLU_ALIGNMENT[name], bias=bias)
    raise ValueError(f"ffn_layer must be one of {['mlp', *_SWIGLU_ALIGNMENT]}, got {name!r}")


class PatchEmbedding(nn.Module):
    """Turn patches into tokens: [B, C, H, W] -> [B, H / p, W / p, D]; incomplete patches are dropped."""

    def __init__(self, *, in_chans: int, embed_dim: int, patch_size: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_chans, embed_dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).permute(0, 2, 3, 1)
