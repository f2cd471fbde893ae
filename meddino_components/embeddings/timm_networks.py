"""Image encoders of timm, PyTorch Image Models.

Shapes: B images, H rows, W columns, P patches, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..errors import InputError
from .encoders import Encoder
from .loaded_networks import LoadedNetwork, import_library, not_loaded, one_side

# how timm's classes say that any size will do: vision transformers, then those with windows; the others take no option
_ANY_SIZE: tuple[dict[str, bool], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})


def load_timm(name: str, *, source: str, checkpoint: str | Path | None) -> LoadedNetwork:
    """Load a model with the weights that belong to its name, or with those of a file.

    Args:
        name: name in timm's list, such as ``vit_small_patch16_224.augreg_in21k``, ``hf-hub:owner/name``, or
            ``local-dir:/folder`` with ``config.json`` and weights.
        source: name for messages.
        checkpoint: a file with a state dict in timm's names, of the size that the model has; a classifier is left out.

    Raises:
        InputError: timm is missing, knows no such name, does not get the weights, or these do not fit.
    """
    timm = import_library("timm", source=source)
    try:
        if checkpoint is None:
            # with its classifier: without one timm loads whatever fits, and leaves the rest as it was drawn
            network = _for_any_size(lambda options: timm.create_model(name, pretrained=True, **options))
        else:
            network = _for_any_size(lambda options: timm.create_model(name, num_classes=0, **options))
            loaded = import_library("timm.models", source=source).load_checkpoint(
                network, str(checkpoint), strict=False
            )
    except InputError:
        raise
    except Exception as error:
        raise not_loaded(source, error) from error
    config = network.pretrained_cfg
    if checkpoint is not None:
        _check_fit(loaded, config, f"{source}: {checkpoint}")
    patch_size = stride_of(network, source=source)
    if len(config["mean"]) != 3 or len(config["std"]) != 3:
        raise InputError(f"{source}: takes {len(config['mean'])} channels; expected 3. Choose another model.")
    return LoadedNetwork(
        network=network,
        encode=timm_encode(network, patch_size),
        patch_size=patch_size,
        own_size_px=one_side(config["input_size"][1:], what="the size of its images", source=source),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


def stride_of(network: Any, *, source: str) -> int:
    """Pixels from one patch token, or cell of the last feature map, to the next.

    Raises:
        InputError: the model does not say.
    """
    info = getattr(network, "feature_info", None)
    if not info:
        raise InputError(f"{source}: timm does not state the size of its patches. Choose another model.")
    return one_side(info[-1]["reduction"], what="the size of its patches", source=source)


def timm_encode(network: Any, patch_size: int) -> Encoder:
    """Parts of the output of a model's ``forward_features``.

    Patches: its last P tokens (CLS and registers come first), or the cells of its feature map. Vector: the CLS token
    where the final norm lies before the pooling, even if timm then averages (its DINOv3); else what timm hands to the
    classifier, ``forward_head(..., pre_logits=True)``: the mean, or attention pooling.
    """
    has_cls = getattr(network, "cls_token", None) is not None
    norm_before_pooling = isinstance(getattr(network, "fc_norm", nn.Identity()), nn.Identity)
    takes_cls = has_cls and norm_before_pooling and getattr(network, "global_pool", "") in ("avg", "token")

    def encode(images: Tensor) -> tuple[Tensor, Tensor]:
        features = network.forward_features(images)
        if features.ndim == 4:
            # transformers with windows keep channels last
            is_last = features.shape[-1] == network.num_features != features.shape[1]
            patches = (features if is_last else features.permute(0, 2, 3, 1)).flatten(1, 2)
        else:
            n_patches = (images.shape[-2] // patch_size) * (images.shape[-1] // patch_size)
            patches = features[:, -n_patches:]
        return features[:, 0] if takes_cls else network.forward_head(features, pre_logits=True), patches

    return encode


def _for_any_size(create: Callable[[dict[str, bool]], Any]) -> Any:
    for options in _ANY_SIZE:
        try:
            return create(options)
        except TypeError as error:
            if not options or not any(option in str(error) for option in options):
                raise
    raise AssertionError("the last options are none")


def _check_fit(loaded: Any, config: Any, where: str) -> None:
    """Only the classifier may be left over.

    Raises:
        InputError: weights are missing, or of another network.
    """
    if loaded is None:  # numpy files: timm copies tensor by tensor, and fails itself
        return
    heads = config.get("classifier") or ()
    heads = (heads,) if isinstance(heads, str) else heads
    unexpected = [key for key in loaded.unexpected_keys if not key.startswith(tuple(f"{head}." for head in heads))]
    if loaded.missing_keys or unexpected:
        raise InputError(
            f"{where} does not fit: missing {', '.join(loaded.missing_keys[:5]) or 'nothing'}; unexpected "
            f"{', '.join(unexpected[:5]) or 'nothing'}. Give the weights of this very model."
        )
