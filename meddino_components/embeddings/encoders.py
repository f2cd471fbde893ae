"""Frozen encoders: images in, one vector an image and one a patch out, whoever made the network.

Shapes: B images, C channels, H rows, W columns, P patches, D width, L levels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.volumes.ct_or_mr import Modality
from ..data.volumes.intensity_table import INTENSITY_TABLE
from ..errors import InputError
from ..networks import DinoVisionTransformer

# images [B, C, H, W] -> a vector a slice [B, D] and one a patch [B, P, D]
Encoder = Callable[[Tensor], tuple[Tensor, Tensor]]
# images [B, C, H, W] -> the patches after several blocks [B, L, P, D], those of the last block last
LevelEncoder = Callable[[Tensor], Tensor]
# what an encoder was trained on: "scan", zero mean and unit deviation by the project's table; "picture", 0 to 1, then
# less the mean and divided by the deviation of ImageNet's channels
Intensity = Literal["scan", "picture"]

Made = TypeVar("Made")

_PLAIN = (bool, int, float, str, tuple, type(None))
# attributes of a network's modules
_OF_TRAINING = (
    "training",
    "drop_path_rate",
    "drop_path_rounding",
    "activation_checkpointing",
    "shift_coords",
    "jitter_coords",
    "rescale_coords",
    "untie_global_and_local_cls_norm",
)

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class FrozenEncoder:
    """An encoder, and what has to be known to feed it and to tell its embeddings from others.

    Attributes:
        name: name in tables and figures.
        encode: maps images [B, 1 or 3, H, W], scaled as ``intensity`` says, to vectors [B, D] and [B, P, D].
        patch_size: H and W must be multiples of it.
        intensity: scaling of the images that the encoder expects.
        mean, std: mean and standard deviation of the three channels, for "picture".
        digest: identifies the weights and everything else that changes an embedding.
        metric: measure by which k-NN compares the vectors.
        fixed_size_px: the only side of images that it takes; None if it takes every multiple of ``patch_size``.
        encode_levels: returns the patches after several blocks; None if only the last ones are available.
    """

    name: str
    encode: Encoder
    patch_size: int
    digest: str
    intensity: Intensity = "scan"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    metric: Literal["cosine", "euclidean"] = "cosine"
    fixed_size_px: int | None = None
    encode_levels: LevelEncoder | None = None

    def levels(self, images: Tensor) -> Tensor:
        """Patches [B, L, P, D] after several blocks, or with L 1 the ones that `encode` gives."""
        return self.encode(images)[1][:, None] if self.encode_levels is None else self.encode_levels(images)


def check_size(encoder: FrozenEncoder, size_px: int) -> None:
    """Raises InputError if the encoder does not take images of this side."""
    if size_px < 1 or size_px % encoder.patch_size:
        raise InputError(f"size_px is {size_px}; {encoder.name} needs a multiple of {encoder.patch_size}")
    if encoder.fixed_size_px not in (None, size_px):
        raise InputError(
            f"size_px is {size_px}; {encoder.name} takes {encoder.fixed_size_px} alone. Set it to that, for all "
            "encoders that are compared, or load the encoder for another size if its library can (open_clip: size_px)."
        )


def encoders_and_controls(encoders: Sequence[FrozenEncoder], controls: Sequence[FrozenEncoder]) -> list[FrozenEncoder]:
    """All encoders that are compared. Raises InputError if there is none, or if names recur."""
    everyone = [*encoders, *controls]
    names = [encoder.name for encoder in everyone]
    if not encoders or len(set(names)) < len(names):
        raise InputError(f"encoders are {names}; expected at least one, and a name of its own for each")
    return everyone


def frozen_backbone(
    name: str, backbone: DinoVisionTransformer, *, intensity: Intensity = "scan", amp: bool | str = False
) -> FrozenEncoder:
    """A backbone of this project as an encoder: CLS token and patch tokens after the final norm.

    Args:
        name: name in tables.
        backbone: weights loaded, on its device; put into evaluation mode here.
        intensity: "scan" for weights trained on normalised scans, "picture" for the public DINOv3 weights.
        amp: encode in bfloat16; recorded in the digest, beside weights, settings of the network and blocks of levels.
    """
    check_bfloat16(amp)
    backbone.eval()
    encode, encode_levels = backbone_encoder(backbone), level_encoder(backbone)
    return FrozenEncoder(
        name=name,
        encode=in_bfloat16(encode, backbone) if amp else encode,
        patch_size=backbone.patch_size,
        digest=weights_digest(
            backbone,
            extra=f"{intensity}/{'bf16' if amp else 'fp32'}/{level_blocks(backbone)}/{network_settings(backbone)}",
        ),
        intensity=intensity,
        encode_levels=in_bfloat16(encode_levels, backbone) if amp else encode_levels,
    )


def raw_pixels(*, patch_size: int = 16, name: str = "raw pixels") -> FrozenEncoder:
    """The control without network, see `pixel_encoder`; compared by distance, since the cosine drops brightness."""
    return FrozenEncoder(
        name=name,
        encode=pixel_encoder(patch_size=patch_size),
        patch_size=patch_size,
        digest=f"pixels/1/{patch_size}",
        metric="euclidean",
    )


def for_scans(encoder: FrozenEncoder, *, modality: Modality = "ct") -> Encoder:
    """The encoder for slices that are normalised as scans, whatever it was trained on.

    For "picture", what CT slices were clipped to becomes 0 to 1, of MR the range of each slice; mean and deviation of
    the encoder's channels follow.

    Args:
        encoder: see `FrozenEncoder`.
        modality: modality of the slices.
    """
    if encoder.intensity == "scan":
        return encoder.encode
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (encoder.mean, encoder.std))

    def encode(images: Tensor) -> tuple[Tensor, Tensor]:
        # slice by slice, or the others of a batch would change a slice's range
        shares = torch.cat([to_unit_range(image, modality) for image in images.split(1)])
        return encoder.encode((shares - mean.to(shares)) / std.to(shares))

    return encode


def to_unit_range(images: Tensor, modality: Modality) -> Tensor:
    """Normalised slices [..., H, W] in 0 to 1: CT between the ends of its clip, MR between its own ends, as a whole."""
    if modality == "ct":
        (low, high), mean, std = (INTENSITY_TABLE["ct"][key] for key in ("clip", "mean", "std"))
        low, high = (low - mean) / std, (high - mean) / std
    else:
        low, high = float(images.min()), float(images.max())
    return ((images - low) / max(high - low, 1e-6)).clamp(0, 1)  # an empty slice becomes 0


def backbone_encoder(
    backbone: DinoVisionTransformer, forward_features: Callable[[Tensor], Any] | None = None
) -> Encoder:
    """CLS and patch tokens after the final norm; one-channel images are repeated to what the backbone takes.

    The backbone is called as it is: put it in evaluation mode first.

    Args:
        backbone: the network.
        forward_features: called instead of the backbone's own, if its parameters must be gathered first.
    """
    ask: Callable[[Tensor], Any] = forward_features or backbone.forward_features

    def encode(images: Tensor) -> tuple[Tensor, Tensor]:
        features = ask(_as_input(images, backbone))
        return features["x_norm_clstoken"], features["x_norm_patchtokens"]

    return encode


def level_blocks(backbone: DinoVisionTransformer, *, n_levels: int = 4) -> list[int]:
    """Numbers of evenly spaced blocks, from 0, the last one among them.

    Args:
        backbone: the network.
        n_levels: L; of 12 blocks the third, sixth, ninth and twelfth, as the published segmentation takes them.
    """
    return sorted({max(0, backbone.depth * (k + 1) // n_levels - 1) for k in range(n_levels)})


def level_encoder(backbone: DinoVisionTransformer, *, n_levels: int = 4) -> LevelEncoder:
    """Patch tokens after the blocks of `level_blocks`, each after the final norm."""
    blocks = level_blocks(backbone, n_levels=n_levels)

    def encode(images: Tensor) -> Tensor:
        return torch.stack(backbone.get_intermediate_layers(_as_input(images, backbone), n=blocks), 1)

    return encode


def _as_input(images: Tensor, backbone: DinoVisionTransformer) -> Tensor:
    """On the backbone's device, one channel repeated to what it takes."""
    if images.shape[1] == 1:
        images = images.expand(-1, backbone.in_chans, -1, -1)
    return images.to(next(backbone.parameters()).device)


def pixel_encoder(*, patch_size: int, side: int = 8) -> Encoder:
    """The control without network: a patch is its own pixels averaged to ``side`` x ``side``; a slice 16 x 16 means.

    Args:
        patch_size: p, that of the network it is compared with.
        side: the vector of a patch has ``C * side * side`` numbers.
    """

    def encode(images: Tensor) -> tuple[Tensor, Tensor]:
        rows, columns = images.shape[-2] // patch_size, images.shape[-1] // patch_size
        images = images[..., : rows * patch_size, : columns * patch_size].float()
        small = F.adaptive_avg_pool2d(images, (rows * side, columns * side))
        patches = F.unfold(small, side, stride=side).transpose(1, 2)
        return F.adaptive_avg_pool2d(images, 16).flatten(1), patches

    return encode


def weights_digest(network: nn.Module, *, extra: str = "") -> str:
    """SHA-256 of every name, shape, type and value in a network's state, and of ``extra``."""
    digest = hashlib.sha256(extra.encode())
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name}/{list(tensor.shape)}/{tensor.dtype}".encode())
        # as bytes: numpy has no bfloat16
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def network_settings(network: nn.Module) -> str:
    """Class and plain attributes of every module: what a forward pass depends on beside the state.

    The state of two networks can be the same where their features are not: heads, eps of norms and the precision of
    the rotation are in no tensor. What counts in training alone is left out.
    """
    facts = []
    for name, module in network.named_modules():
        plain = {
            key: value if isinstance(value, _PLAIN) else str(value)
            for key, value in vars(module).items()
            if isinstance(value, (*_PLAIN, torch.dtype)) and not key.startswith("_") and key not in _OF_TRAINING
        }
        facts.append([name, type(module).__qualname__, plain])
    return json.dumps(facts, sort_keys=True)


def check_bfloat16(amp: bool | str) -> None:
    """Refuse the low precision that these networks are not run in; they have no layers that scale for fp16.

    Raises:
        InputError: `amp` is neither a truth value nor "bf16".
    """
    if not isinstance(amp, bool) and amp != "bf16":
        raise InputError(f"amp is {amp!r}; expected True (bf16), bf16 or False: fp16 is of fine-tuning alone")


def in_bfloat16(encode: Callable[[Tensor], Made], network: nn.Module) -> Callable[[Tensor], Made]:
    """An encoder under autocast on the network's device; weights stay as they are."""

    def encode_in_bfloat16(images: Tensor) -> Made:
        with torch.autocast(next(network.parameters()).device.type, dtype=torch.bfloat16):
            return encode(images)

    return encode_in_bfloat16
