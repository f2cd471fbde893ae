"""Self-attention with rotary positions, and the transformer block around it.

A block processes a list of token batches of different lengths (global and local crops): linear layers and norms handle
all tokens in one matrix product, attention runs separately for each crop size.

Shapes: B batch, N tokens (CLS, storage tokens, patches), D width, h heads, d = D / h.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import LayerScale, make_ffn, make_norm
from .rope import rotate
from .tracing import is_traced

# (sin, cos), each [N, d]; the identity rotation for tokens without a position
Rope = tuple[Tensor, Tensor]


class MaskedKeyBiasLinear(nn.Linear):
    """The q, k, v projection with its key bias fixed at zero.

    Without positions a key bias adds the same number to all logits of a query, which softmax ignores; with rotary
    positions it would favour some distances. ``bias_mask`` is 1 for q and v, 0 for k, and part of the public
    checkpoints.
    """

    bias_mask: Tensor

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features, bias=True)
        mask = torch.ones(out_features)
        mask[out_features // 3 : 2 * out_features // 3] = 0
        self.register_buffer("bias_mask", mask)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias * self.bias_mask.to(self.bias.dtype))


class SelfAttention(nn.Module):
    """Multi-head self-attention over a list of token batches, with rotary positions on queries and keys."""

    def __init__(
        self,
        *,
        dim: int,
        num_heads: int,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        mask_k_bias: bool = False,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        masked = qkv_bias and mask_k_bias
        self.qkv = MaskedKeyBiasLinear(dim, 3 * dim) if masked else nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)

    def forward(self, x: Tensor, shapes: Sequence[tuple[int, int]], ropes: Sequence[Rope]) -> Tensor:
        """Attend within each batch of a flat token matrix.

        Args:
            x: tokens of all batches, [sum of B * N, D].
            shapes: pair (B, N) for each batch, in the order of the rows.
            ropes: rotary sine and cosine for each batch.
        """
        rows = [batch * length for batch, length in shapes]
        attended = [
            self._attend(qkv.view(*shape, 3, self.num_heads, -1), rope)
            for qkv, shape, rope in zip(self.qkv(x).split(rows), shapes, ropes, strict=True)
        ]
        return self.proj(attended[0] if len(attended) == 1 else torch.cat(attended))

    def _attend(self, qkv: Tensor, rope: Rope) -> Tensor:
        """[B, N, 3, h, d] -> [B * N, D]."""
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each [B, h, N, d]
        out = F.scaled_dot_product_attention(rotate(q, *rope), rotate(k, *rope), v)
        return out.transpose(1, 2).flatten(2).flatten(0, 1)


class Block(nn.Module):
    """Pre-norm transformer block with LayerScale and stochastic depth.

    Stochastic depth keeps a random subset of the batch for each branch, so that dropped samples cost nothing. On
    average (1 - rate) B of B samples are kept, for any B; if this is not a whole number, it is rounded randomly.
    Outputs of kept samples are scaled by 1 / (1 - rate).

    Args:
        dim: width D.
        num_heads: number of attention heads h.
        ffn_ratio: hidden width of the feed-forward network over D.
        qkv_bias: whether this linear layer has a bias; likewise ``proj_bias`` and ``ffn_bias``.
        drop_path_rate: share of samples for which training skips a branch, below 1.
        drop_path_rounding: ``random`` as above; ``down`` is the official rule, for parity: the number of kept samples
            is rounded down, but at least 1, and outputs are scaled by B over that number. A batch of 1 then drops
            nothing, and a batch of 2 drops half at any rate up to 1/2.
        layerscale_init: initial LayerScale; None omits LayerScale.
        norm_layer: kind of norm, see `make_norm`.
        ffn_layer: kind of feed-forward network, see `make_ffn`.
        mask_k_bias: whether to fix the key bias at zero.

    The sum x + branch has the precision of x, regardless of the branch's precision and of dropped samples.

    Raises:
        ValueError: the rate is outside 0 to 1, or the rounding is unknown.

    Reference: Simeoni et al., DINOv3, arXiv 2508.10104; Oquab et al., DINOv2, arXiv 2304.07193, section 5.
    """

    def __init__(
        self,
        *,
        dim: int,
        num_heads: int,
        ffn_ratio: float = 4.0,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        ffn_bias: bool = True,
        drop_path_rate: float = 0.0,
        drop_path_rounding: str = "random",
        layerscale_init: float | None = 1e-5,
        norm_layer: str = "layernorm",
        ffn_layer: str = "mlp",
        mask_k_bias: bool = False,
    ) -> None:
        super().__init__()
        if not 0 <= drop_path_rate < 1:
            raise ValueError(f"drop_path_rate must be at least 0 and below 1, got {drop_path_rate}")
        if drop_path_rounding not in ("random", "down"):
            raise ValueError(f"drop_path_rounding must be random or down, got {drop_path_rounding!r}")
        self.drop_path_rate, self.drop_path_rounding = drop_path_rate, drop_path_rounding
        self.norm1 = make_norm(norm_layer, dim)
        self.attn = SelfAttention(
            dim=dim, num_heads=num_heads, qkv_bias=qkv_bias, proj_bias=proj_bias, mask_k_bias=mask_k_bias
        )
        self.ls1 = nn.Identity() if layerscale_init is None else LayerScale(dim=dim, init_value=layerscale_init)
        self.norm2 = make_norm(norm_layer, dim)
        self.mlp = make_ffn(ffn_layer, dim=dim, hidden_dim=int(dim * ffn_ratio), bias=ffn_bias)
        self.ls2 = nn.Identity() if layerscale_init is None else LayerScale(dim=dim, init_value=layerscale_init)

    def forward(self, x_list: list[Tensor], ropes: Sequence[Rope]) -> list[Tensor]:
        """Apply the block to each token batch [B, N, D] with its own rotary angles."""
        x_list = self._add_residual(x_list, lambda x, shapes: self.ls1(self.attn(self.norm1(x), shapes, ropes)))
        return self._add_residual(x_list, lambda x, shapes: self.ls2(self.mlp(self.norm2(x))))

    def _add_residual(
        self, x_list: list[Tensor], branch: Callable[[Tensor, list[tuple[int, int]]], Tensor]
    ) -> list[Tensor]:
        kept = [self._draw_kept(x) for x in x_list]
        inputs = [x if subset is None else x[subset] for x, (subset, _) in zip(x_list, kept, strict=True)]
        shapes = [(x.shape[0], x.shape[1]) for x in inputs]
        flat = [x.flatten(0, 1) for x in inputs]
        residual = branch(flat[0] if len(flat) == 1 else torch.cat(flat), shapes)
        residuals = residual.split([batch * length for batch, length in shapes])
        return [
            _add(x, residual.view(*shape, -1).to(x.dtype), subset, scale)
            for x, residual, shape, (subset, scale) in zip(x_list, residuals, shapes, kept, strict=True)
        ]

    def _draw_kept(self, x: Tensor) -> tuple[Tensor | None, float | Tensor]:
        """Return the indices of samples to compute a branch for (None for all), and the factor for its output."""
        batch, rate = x.shape[0], self.drop_path_rate
        if not self.training or rate == 0:
            return None, 1.0
        order = torch.randperm(batch, device=x.device)
        if self.drop_path_rounding == "down":
            n_kept = max(int(batch * (1 - rate)), 1)
            return order[:n_kept], batch / n_kept
        # drawn on the CPU, so that it need not wait for a GPU
        drawn = batch * (1 - rate) + torch.rand(())
        if is_traced():
            # sizes may not depend on random numbers here: compute all samples, and multiply dropped ones by 0
            return None, ((order < drawn.floor().to(x.device)) / (1 - rate)).to(x.dtype)[:, None, None]
        n_kept = int(drawn)
        # if none is kept, compute one and multiply it by 0: every parameter then gets a gradient, as DDP expects
        return order[: max(n_kept, 1)], (1 / (1 - rate) if n_kept else 0.0)


def _add(x: Tensor, residual: Tensor, subset: Tensor | None, scale: float | Tensor) -> Tensor:
    if isinstance(scale, Tensor):
        return x + residual * scale
    return x + residual if subset is None else torch.index_add(x, 0, subset, residual, alpha=scale)
