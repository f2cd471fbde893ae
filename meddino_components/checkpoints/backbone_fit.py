"""Settle harmless differences between a weight file and a backbone, and report each of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from meddino_components.networks import DinoVisionTransformer

from .formats import Tensors
from .patch_embedding import adapt_patch_embedding, resample_patch_embedding

_PERIODS = "rope_embed.periods"
_PATCH_WEIGHT = "patch_embed.proj.weight"
_MASK = ".bias_mask"
# bf16 keeps 8 bits, and the official code computes exponents and powers in it; a different base changes the periods by
# far more.
_PERIODS_RTOL = 0.03


@dataclass
class BackboneFit:
    """Tensors of a file, ready to be compared with a backbone.

    Attributes:
        tensors: tensors of the file, with those named in ``own`` replaced.
        own: names of tensors whose values come from the backbone, not from the file.
        notes: differences that were settled, in words.
        problems: differences that would change the results, in words.
    """

    tensors: Tensors
    own: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def fit_backbone(
    tensors: Mapping[str, torch.Tensor], backbone: DinoVisionTransformer, *, format: str, resample_patches: bool = False
) -> BackboneFit:
    """Settle what differs between ``tensors`` (DINOv3 names) and ``backbone`` without a difference in meaning.

    Args:
        tensors: tensors of the file.
        backbone: network that will load them.
        format: naming scheme of the file, see `FoundNetwork`.
        resample_patches: whether to resample a patch embedding of another patch size to the backbone's.
    """
    fit = BackboneFit(dict(tensors))
    target = backbone.state_dict()
    _keep_own_periods(fit, backbone)
    _rebuild_key_bias_masks(fit, target)
    _fit_patch_size(fit, target, resample=resample_patches)
    _adapt_channels(fit, target)
    if format.startswith("timm") and "mask_token" not in fit.tensors:
        fit.tensors["mask_token"] = target["mask_token"]
        fit.own.add("mask_token")
        fit.notes.append("timm files have no mask_token: the network keeps its own")
    return fit


def _keep_own_periods(fit: BackboneFit, backbone: DinoVisionTransformer) -> None:
    """Compute the periods from the backbone's own base: a file may hold them rounded to bf16, or not at all."""
    own = backbone.rope_embed.compute_periods()
    found = fit.tensors.get(_PERIODS)
    fit.tensors[_PERIODS] = own
    fit.own.add(_PERIODS)
    if found is None:
        fit.notes.append(
            "the file holds no rotary periods: num_heads and pos_embed_rope_base cannot be checked against it"
        )
        return
    if found.shape != own.shape:
        width = 4 * found.numel()
        fit.problems.append(
            f"{_PERIODS} has {found.numel()} values, the network {own.numel()}: the file's heads are {width} wide"
            f" (num_heads: {backbone.embed_dim // width if width else 0} at this width)"
        )
    elif not torch.allclose(found.double(), own.double(), rtol=_PERIODS_RTOL, atol=0):
        fit.problems.append(
            f"{_PERIODS} run to {found[-1].item():.6g}, the network's to {own[-1].item():.6g}: "
            "pos_embed_rope_base (or min_period and max_period) differs"
        )
    elif not torch.equal(found.to(own.dtype), own):
        rounded = ""
        if found.dtype == torch.bfloat16:
            rounded = (
                ", which the file holds rounded to bf16 (pos_embed_rope_dtype: bf16 computes as its training run did)"
            )
        fit.notes.append(f"{_PERIODS} recomputed in {own.dtype} from the network's own base{rounded}")


def _rebuild_key_bias_masks(fit: BackboneFit, target: Mapping[str, torch.Tensor]) -> None:
    """Rebuild ``bias_mask`` (1 for q and v, 0 for k); its contents are fixed, and may be NaN in a file."""
    wanted = {key for key in target if key.endswith(_MASK)}
    found = {key for key in fit.tensors if key.endswith(_MASK)}
    _mask_biases_without_mask(fit, found - wanted)
    live = []
    for key in wanted:
        bias = fit.tensors.get(key.removesuffix("_mask"))
        if key not in found and bias is not None and bool(_key_third(bias).any()):
            live.append(key.removesuffix("_mask"))
        mask = torch.ones(target[key].shape)
        _key_third(mask).zero_()
        fit.tensors[key] = mask
        fit.own.add(key)
    if live:
        fit.problems.append(
            f"{len(live)} key biases of the file are in use ({live[0]}, ...), but the network masks them: "
            "build the network from the weights (backbone_of)"
        )
    if wanted:
        fit.notes.append(f"{len(wanted)} bias_mask buffers rebuilt (the key bias is held at zero)")


def _mask_biases_without_mask(fit: BackboneFit, masks: set[str]) -> None:
    """Apply masks to the biases themselves if the network has no buffer for them; the result is the same."""
    for mask in masks:
        del fit.tensors[mask]
        name = mask.removesuffix("_mask")
        if name in fit.tensors:
            fit.tensors[name] = fit.tensors[name].clone()
            _key_third(fit.tensors[name]).zero_()
    if masks:
        fit.notes.append(f"{len(masks)} bias_mask buffers of the file applied to the biases, as the network has none")


def _key_third(bias: torch.Tensor) -> torch.Tensor:
    """Return the view of the key part of a joint q, k, v bias [3 D]."""
    return bias.view(3, -1)[1] if bias.ndim == 1 and bias.numel() % 3 == 0 else bias[:0]


def _fit_patch_size(fit: BackboneFit, target: Mapping[str, torch.Tensor], *, resample: bool) -> None:
    found, wanted = fit.tensors.get(_PATCH_WEIGHT), target[_PATCH_WEIGHT].shape[-1]
    if found is None or found.ndim != 4 or found.shape[-1] == wanted:
        return
    given = found.shape[-1]
    if not resample:
        fit.problems.append(
            f"the file's patches are {given} px wide, the network's {wanted} px: build the network from the weights, "
            f"or resample them with import_weights --patch_size {wanted}"
        )
        return
    fit.tensors[_PATCH_WEIGHT] = resample_patch_embedding(found, wanted)
    fit.notes.append(
        f"patch embedding resampled from {given} to {wanted} px: an image {wanted / given:g} times as large gives the "
        f"tokens that the original gave"
    )


def _adapt_channels(fit: BackboneFit, target: Mapping[str, torch.Tensor]) -> None:
    found, wanted = fit.tensors.get(_PATCH_WEIGHT), target[_PATCH_WEIGHT]
    if found is None or found.ndim != 4 or found.shape[1] == wanted.shape[1]:
        return
    fit.tensors[_PATCH_WEIGHT] = adapt_patch_embedding(found, wanted.shape[1])
    fit.notes.append(
        f"patch embedding adapted from {found.shape[1]} to {wanted.shape[1]} input channels, exact for equal channels"
    )
