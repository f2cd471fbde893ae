"""Infer the arguments of a backbone from the names and shapes of its tensors."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import torch

from meddino_components.errors import InputError
from meddino_components.networks import PRESETS

from .formats import to_dinov3_names

_PATCH = "patch_embed.proj.weight"
_PERIODS = "rope_embed.periods"
# head width of nearly all vision transformers; the presets list the others
_HEAD_DIM = 64
# base of all published models; a file may hold the periods in bf16, which keeps 8 bits
_COMMON_BASE, _BASE_RTOL = 100.0, 0.03


def infer_architecture(tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Infer the network that the tensors of a backbone belong to.

    Args:
        tensors: tensors of a bare backbone, named as in DINOv3, transformers or timm. Tensors without data (``meta``)
            are enough, but their rotary periods then show only the width of a head.

    Returns:
        Arguments of `DinoVisionTransformer`, except those that no tensor shows: the eps of the norms (all LayerNorms
        have the same tensors), how coordinates are normalised, and, if the file holds no rotary periods, base and
        precision of the rotation.

    Raises:
        InputError: a tensor that every backbone has is missing, or has a shape that no backbone of this kind has.
    """
    renamed, key_bias = to_dinov3_names(tensors)
    return infer_from_dinov3_names(renamed, key_bias=key_bias)


def infer_from_dinov3_names(tensors: Mapping[str, torch.Tensor], *, key_bias: bool = True) -> dict[str, Any]:
    """Infer as `infer_architecture` does, from tensors that already have DINOv3 names.

    Args:
        tensors: tensors of a bare backbone.
        key_bias: whether the file has a bias for keys; False for files of transformers and timm, which have none.
    """
    patch, cls_token = _needed(tensors, _PATCH, 4), _needed(tensors, "cls_token", 3)
    width = cls_token.shape[-1]
    depth = 1 + max((int(m[1]) for key in tensors if (m := re.match(r"blocks\.(\d+)\.", key))), default=-1)
    if not depth:
        raise InputError("the weights hold no transformer block: expected tensors such as blocks.0.norm1.weight")
    qkv_bias = _any(tensors, r"attn\.qkv\.bias$")
    storage = tensors.get("storage_tokens")
    found: dict[str, Any] = {
        "patch_size": patch.shape[-1],
        "in_chans": patch.shape[1],
        "embed_dim": width,
        "depth": depth,
        **_feed_forward(tensors, width),
        "qkv_bias": qkv_bias,
        "proj_bias": _any(tensors, r"attn\.proj\.bias$"),
        "ffn_bias": _any(tensors, r"mlp\.\w+\.bias$"),
        "mask_k_bias": qkv_bias and (_any(tensors, r"attn\.qkv\.bias_mask$") or not key_bias),
        "layerscale_init": 1e-5 if _any(tensors, r"ls1\.gamma$") else None,
        "n_storage_tokens": 0 if storage is None else storage.shape[1],
        "untie_cls_and_patch_norms": "cls_norm.weight" in tensors,
        "untie_global_and_local_cls_norm": "local_cls_norm.weight" in tensors,
    }
    if "norm.weight" in tensors and "norm.bias" not in tensors:
        found["norm_layer"] = "rmsnorm"
    periods = tensors.get(_PERIODS)
    if periods is None:
        return found | {"num_heads": _usual_heads(found)}
    if periods.numel() == 0 or width % (4 * periods.numel()):
        raise InputError(f"{_PERIODS} has {periods.numel()} values, which fits no head of a network {width} wide")
    return found | {"num_heads": width // (4 * periods.numel())} | _rotation(periods, cls_token)


def _needed(tensors: Mapping[str, torch.Tensor], name: str, n_axes: int) -> torch.Tensor:
    tensor = tensors.get(name)
    if tensor is None or tensor.ndim != n_axes:
        shape = "missing" if tensor is None else f"of shape {list(tensor.shape)}"
        raise InputError(f"{name} is {shape}: expected {n_axes} axes, as in every backbone of this kind")
    return tensor


def _any(tensors: Mapping[str, torch.Tensor], pattern: str) -> bool:
    return any(re.search(pattern, key) for key in tensors)


def _feed_forward(tensors: Mapping[str, torch.Tensor], width: int) -> dict[str, Any]:
    """Return ``ffn_layer`` and the ``ffn_ratio`` that gives the hidden width found; alignment leaves no trace."""
    gated = "blocks.0.mlp.w1.weight" in tensors
    hidden = _needed(tensors, f"blocks.0.mlp.{'w1' if gated else 'fc1'}.weight", 2).shape[0]
    if gated and hidden % 8:
        raise InputError(f"blocks.0.mlp.w1.weight is {hidden} wide: expected a multiple of 8, as in every SwiGLU")
    # SwiGLU has two thirds of the width that the ratio gives
    exact = (math.ceil(hidden * 3 / 2) if gated else hidden) / width
    # a ratio such as 3.7777 may lose its last unit as a float
    ratio = exact if int(width * exact) == round(width * exact) else (round(width * exact) + 0.5) / width
    return {"ffn_layer": "swiglu" if gated else "mlp", "ffn_ratio": ratio}


def _usual_heads(found: Mapping[str, Any]) -> int:
    """Return the number of heads in the preset of this size, else the number of heads 64 channels wide."""
    for preset in PRESETS.values():
        if all(preset[name] == found[name] for name in ("embed_dim", "depth")):
            return int(preset["num_heads"])
    if found["embed_dim"] % _HEAD_DIM:
        raise InputError(
            f"the weights are {found['embed_dim']} wide and hold no rotary periods, so the number of heads is "
            f"unknown: give a file with rope_embed.periods, or one that this project wrote"
        )
    return int(found["embed_dim"]) // _HEAD_DIM


def _rotation(periods: torch.Tensor, cls_token: torch.Tensor) -> dict[str, Any]:
    """Return base or range of the periods, and the precision they were computed in."""
    if periods.is_meta or periods.numel() < 2 or not bool(torch.isfinite(periods).all()):
        return {}
    values, n = periods.double(), periods.numel()
    first, last = values[0].item(), values[-1].item()
    if first <= 0 or last <= 0:
        return {}
    found: dict[str, Any] = {"pos_embed_rope_base": None}
    if abs(first - 1) > _BASE_RTOL:
        found |= {"pos_embed_rope_min_period": first, "pos_embed_rope_max_period": last}
    else:
        base = last ** (n / (n - 1))
        common = math.isclose(base, _COMMON_BASE, rel_tol=_BASE_RTOL)
        found |= {"pos_embed_rope_base": _COMMON_BASE if common else float(f"{base:.4g}")}
    # if the whole file is in bf16, it says nothing about the rotation
    if cls_token.dtype not in (torch.bfloat16, torch.float16):
        rounded = periods.dtype == torch.bfloat16 or torch.equal(periods.bfloat16().to(periods.dtype), periods)
        found["pos_embed_rope_dtype"] = "bf16" if rounded else "fp32"
    return found
