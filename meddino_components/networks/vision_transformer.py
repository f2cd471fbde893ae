"""The DINOv3 vision transformer.

It differs from a plain ViT: it has no learnt position embedding (rotary angles come from the patch grid, so any input
size works), it has storage tokens (also called registers) next to the CLS token, its forward pass takes a list of crops
of different sizes, and its norms can differ for CLS and patch tokens and for local crops. State-dict keys are those of
the public DINOv3 checkpoints.

Shapes: B batch, C channels, p patch size, P = (H / p) * (W / p) patches, R storage tokens, D width,
N = 1 + R + P tokens in the order CLS, storage, patches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .attention import Block, Rope
from .layers import PatchEmbedding, make_norm
from .rope import CoordinateNormalization, RopePositionEmbedding, pad_rope_for_prefix, without_autocast

Features = dict[str, Tensor | None]


class DinoVisionTransformer(nn.Module):
    """Vision transformer with rotary positions and storage tokens.

    Args:
        patch_size: side of a patch, in pixels.
        in_chans: number of input channels.
        embed_dim: width D.
        depth: number of blocks.
        num_heads: number of attention heads.
        ffn_ratio: hidden width of the feed-forward network over D.
        pos_embed_rope_base: base of the rotary periods; None if the two periods below are given.
        pos_embed_rope_min_period: smallest rotary period.
        pos_embed_rope_max_period: largest rotary period.
        pos_embed_rope_normalize_coords: normalisation of coordinates: ``separate``, ``min`` or ``max``.
        pos_embed_rope_shift_coords: shift of coordinates in training, see `RopePositionEmbedding`.
        pos_embed_rope_jitter_coords: jitter of coordinates in training, see `RopePositionEmbedding`.
        pos_embed_rope_rescale_coords: rescaling of coordinates in training, see `RopePositionEmbedding`.
        pos_embed_rope_dtype: precision of the rotation; ``fp32`` as in the public DINOv3 models, ``bf16`` as in the
            published MedDINOv3 runs.
        qkv_bias, ffn_bias, proj_bias: whether these linear layers have a bias.
        drop_path_rate: rate of stochastic depth, the same in all blocks.
        drop_path_rounding: ``random`` keeps the rate at any batch size; ``down`` is the official rule, see `Block`.
        layerscale_init: initial LayerScale; None omits LayerScale.
        norm_layer: kind of norm: ``layernorm``, ``layernormbf16`` or ``rmsnorm``.
        ffn_layer: kind of feed-forward network: ``mlp``, ``swiglu``, ``swiglu32``, ``swiglu64`` or ``swiglu128``.
        n_storage_tokens: number of storage tokens R.
        mask_k_bias: whether to fix the key bias at zero.
        untie_cls_and_patch_norms: whether CLS and storage tokens have their own final norm.
        untie_global_and_local_cls_norm: whether, in training, the CLS and storage tokens of the second entry of a list
            (the local crops) have their own final norm.
        activation_checkpointing: whether to recompute a block's activations in the backward pass instead of storing
            them.

    Tokens between blocks have the same precision in training and inference: bf16 under bf16 autocast, as in the
    published training, but fp32 under fp16 autocast, since outlier tokens can exceed the range of fp16.

    Reference: Simeoni et al., DINOv3, arXiv 2508.10104, section 3.2; golden values of the official code.
    """

    def __init__(
        self,
        *,
        patch_size: int = 16,
        in_chans: int = 3,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        ffn_ratio: float = 4.0,
        pos_embed_rope_base: float | None = 100.0,
        pos_embed_rope_min_period: float | None = None,
        pos_embed_rope_max_period: float | None = None,
        pos_embed_rope_normalize_coords: CoordinateNormalization = "separate",
        pos_embed_rope_shift_coords: float | None = None,
        pos_embed_rope_jitter_coords: float | None = None,
        pos_embed_rope_rescale_coords: float | None = None,
        pos_embed_rope_dtype: str = "fp32",
        qkv_bias: bool = True,
        ffn_bias: bool = True,
        proj_bias: bool = True,
        drop_path_rate: float = 0.0,
        drop_path_rounding: str = "random",
        layerscale_init: float | None = None,
        norm_layer: str = "layernorm",
        ffn_layer: str = "mlp",
        n_storage_tokens: int = 0,
        mask_k_bias: bool = False,
        untie_cls_and_patch_norms: bool = False,
        untie_global_and_local_cls_norm: bool = False,
        activation_checkpointing: bool = False,
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        super().__init__()
        # stored with the weights, as no tensor shows several of these
        self.arguments: dict[str, Any] = given
        self.patch_size, self.in_chans, self.embed_dim, self.depth = patch_size, in_chans, embed_dim, depth
        self.n_storage_tokens = n_storage_tokens
        self.untie_cls_and_patch_norms = untie_cls_and_patch_norms
        self.untie_global_and_local_cls_norm = untie_global_and_local_cls_norm
        self.activation_checkpointing = activation_checkpointing

        self.cls_token = nn.Parameter(torch.empty(1, 1, embed_dim))
        if n_storage_tokens:
            self.storage_tokens = nn.Parameter(torch.empty(1, n_storage_tokens, embed_dim))
        self.mask_token = nn.Parameter(torch.empty(1, embed_dim))
        self.patch_embed = PatchEmbedding(in_chans=in_chans, embed_dim=embed_dim, patch_size=patch_size)
        self.rope_embed = RopePositionEmbedding(
            embed_dim=embed_dim,
            num_heads=num_heads,
            base=pos_embed_rope_base,
            min_period=pos_embed_rope_min_period,
            max_period=pos_embed_rope_max_period,
            normalize_coords=pos_embed_rope_normalize_coords,
            shift_coords=pos_embed_rope_shift_coords,
            jitter_coords=pos_embed_rope_jitter_coords,
            rescale_coords=pos_embed_rope_rescale_coords,
            dtype=pos_embed_rope_dtype,
        )
        self.blocks = nn.ModuleList(
            Block(
                dim=embed_dim,
                num_heads=num_heads,
                ffn_ratio=ffn_ratio,
                qkv_bias=qkv_bias,
                proj_bias=proj_bias,
                ffn_bias=ffn_bias,
                drop_path_rate=drop_path_rate,
                drop_path_rounding=drop_path_rounding,
                layerscale_init=layerscale_init,
                norm_layer=norm_layer,
                ffn_layer=ffn_layer,
                mask_k_bias=mask_k_bias,
            )
            for _ in range(depth)
        )
        self.norm = make_norm(norm_layer, embed_dim)
        if untie_cls_and_patch_norms:
            self.cls_norm = make_norm(norm_layer, embed_dim)
        if untie_global_and_local_cls_norm:
            self.local_cls_norm = make_norm(norm_layer, embed_dim)
        self.init_weights()

    @property
    def n_prefix_tokens(self) -> int:
        """Return the number of CLS and storage tokens, which precede the patches."""
        return 1 + self.n_storage_tokens

    def init_weights(self) -> None:
        """Draw linear layers from a truncated normal (std 0.02), tokens from a normal (0.02); zero the others."""
        nn.init.normal_(self.cls_token, std=0.02)
        if self.n_storage_tokens:
            nn.init.normal_(self.storage_tokens, std=0.02)
        nn.init.zeros_(self.mask_token)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the CLS token after the final norm: [B, C, H, W] -> [B, D]."""
        cls_token = self.forward_features(x)["x_norm_clstoken"]
        assert cls_token is not None
        return cls_token

    @overload
    def forward_features(self, x: Tensor, masks: Tensor | None = None) -> Features: ...

    @overload
    def forward_features(self, x: list[Tensor], masks: list[Tensor | None] | None = None) -> list[Features]: ...

    def forward_features(
        self, x: Tensor | list[Tensor], masks: Tensor | list[Tensor | None] | None = None
    ) -> Features | list[Features]:
        """Return the tokens of a batch, or of a list of batches of different sizes, in one pass.

        Args:
            x: images [B, C, H, W], or a list of such batches.
            masks: boolean [B, P], true where the mask token replaces the patch token; with a list of images,
                a list with None for unmasked entries.

        Returns:
            A dict (a list of dicts for a list) with ``x_norm_clstoken`` [B, D], ``x_storage_tokens`` [B, R, D],
            ``x_norm_patchtokens`` [B, P, D], all after the final norm, ``x_prenorm`` [B, N, D] and ``masks``.
        """
        if isinstance(x, Tensor):
            assert not isinstance(masks, list)
            return self._forward_list([x], [masks])[0]
        assert masks is None or isinstance(masks, list)
        return self._forward_list(x, masks if masks is not None else [None] * len(x))

    def get_intermediate_layers(
        self,
        x: Tensor,
        n: int | Sequence[int] = 1,
        reshape: bool = False,
        return_class_token: bool = False,
        return_extra_tokens: bool = False,
        norm: bool = True,
    ) -> tuple[Any, ...]:
        """Return the patch tokens of chosen blocks, in block order.

        Args:
            x: images [B, C, H, W]; incomplete patches at the far edges are dropped.
            n: number of last blocks to read, or indices of blocks.
            reshape: whether to return maps [B, D, H / p, W / p] instead of [B, P, D].
            return_class_token: whether to add the CLS token [B, D] to each entry.
            return_extra_tokens: whether to add the storage tokens [B, R, D] to each entry.
            norm: whether to apply the final norm.

        Returns:
            A tuple over blocks of patch tokens, or of tuples (patches, CLS, storage) as requested.
        """
        wanted = set(range(self.depth - n, self.depth) if isinstance(n, int) else n)
        if not wanted <= set(range(self.depth)):
            raise ValueError(f"blocks {sorted(wanted)} requested, but the network has blocks 0 to {self.depth - 1}")
        tokens, grid = self._embed(x, None)
        x_list, outputs = [tokens], []
        ropes = self._ropes([grid])
        for index, block in enumerate(self.blocks[: max(wanted) + 1]):
            x_list = self._run_block(block, x_list, ropes or self._draw_ropes([grid]))
            if index in wanted:
                outputs.append(x_list[0])
        prefix, patches = zip(*(self._final_norm(out) if norm else self._split(out) for out in outputs), strict=True)
        if reshape:
            # a channels-last view: the tokens are not copied
            patches = tuple(out.unflatten(1, grid).permute(0, 3, 1, 2) for out in patches)
        columns: list[tuple[Tensor, ...]] = [tuple(patches)]
        if return_class_token:
            columns.append(tuple(out[:, 0] for out in prefix))
        if return_extra_tokens:
            columns.append(tuple(out[:, 1:] for out in prefix))
        return columns[0] if len(columns) == 1 else tuple(zip(*columns, strict=True))

    def _forward_list(self, images: list[Tensor], masks: list[Tensor | None]) -> list[Features]:
        embedded = [self._embed(image, mask) for image, mask in zip(images, masks, strict=True)]
        x_list, grids = [tokens for tokens, _ in embedded], [grid for _, grid in embedded]
        ropes = self._ropes(grids)
        for block in self.blocks:
            x_list = self._run_block(block, x_list, ropes or self._draw_ropes(grids))
        outputs: list[Features] = []
        for index, (tokens, mask) in enumerate(zip(x_list, masks, strict=True)):
            prefix, patches = self._final_norm(tokens, local=index == 1)
            outputs.append(
                {
                    "x_norm_clstoken": prefix[:, 0],
                    "x_storage_tokens": prefix[:, 1:],
                    "x_norm_patchtokens": patches,
                    "x_prenorm": tokens,
                    "masks": mask,
                }
            )
        return outputs

    def _run_block(self, block: nn.Module, x_list: list[Tensor], ropes: list[Rope]) -> list[Tensor]:
        if self.activation_checkpointing and torch.is_grad_enabled():
            return checkpoint(block, x_list, ropes, use_reentrant=False)
        return block(x_list, ropes)

    def _embed(self, image: Tensor, mask: Tensor | None) -> tuple[Tensor, tuple[int, int]]:
        """Return the tokens [B, N, D] before the first block, and the patch grid."""
        if image.ndim != 4 or image.shape[1] != self.in_chans:
            raise ValueError(f"expected images [B, {self.in_chans}, H, W], got {list(image.shape)}")
        patches = self.patch_embed(image)
        if patches.dtype == torch.float16 and torch.is_autocast_enabled(patches.device.type):
            patches = patches.float()
        grid = (patches.shape[1], patches.shape[2])
        patches = patches.flatten(1, 2)
        cls_token: Tensor = self.cls_token
        if mask is None:
            # keeps mask_token in the graph, as DDP expects for every parameter
            cls_token = cls_token + 0 * self.mask_token
        else:
            patches = torch.where(mask.unsqueeze(-1), self.mask_token.to(patches.dtype), patches)
        prefix = [cls_token, self.storage_tokens] if self.n_storage_tokens else [cls_token]
        expanded = [token.expand(patches.shape[0], -1, -1).to(patches.dtype) for token in prefix]
        return torch.cat((*expanded, patches), dim=1), grid

    def _ropes(self, grids: list[tuple[int, int]]) -> list[Rope] | None:
        """Return rotary tables for all blocks, or None if each block must draw its own."""
        return None if self.rope_embed.augments else self._draw_ropes(grids)

    def _draw_ropes(self, grids: list[tuple[int, int]]) -> list[Rope]:
        with without_autocast(self.rope_embed.periods):
            tables = [self.rope_embed(height, width) for height, width in grids]
            return [pad_rope_for_prefix(sin, cos, self.n_prefix_tokens) for sin, cos in tables]

    def _split(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        return tokens[:, : self.n_prefix_tokens], tokens[:, self.n_prefix_tokens :]

    def _final_norm(self, tokens: Tensor, local: bool = False) -> tuple[Tensor, Tensor]:
        """Return normalised CLS and storage tokens [B, 1 + R, D] and patch tokens [B, P, D]."""
        prefix, patches = self._split(tokens)
        if local and self.untie_global_and_local_cls_norm and self.training:
            return self.local_cls_norm(prefix), self.norm(patches)
        if self.untie_cls_and_patch_norms:
            return self.cls_norm(prefix), self.norm(patches)
        return self._split(self.norm(tokens))
