"""Image encoders of Hugging Face transformers.

Shapes: B images, H rows, W columns, P patches, D width.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from .encoders import Encoder
from .loaded_networks import LoadedNetwork, import_library, not_loaded, one_side

# not used here, and missing in checkpoints of classifiers and of pretraining
_UNUSED = ("pooler.", "mask_token")


def load_transformers(name: str, *, source: str) -> LoadedNetwork:
    """The vision transformer in a repository or folder: ViT, DINOv2, DINOv3 and the like, or the tower of a CLIP.

    Args:
        name: ``owner/name`` on the hub, or a folder that `save_pretrained` wrote, of model and image processor.
        source: name for messages.

    Raises:
        InputError: transformers is missing, there is no such model, weights are missing, it has no patch tokens, or no
            file states mean and deviation.
    """
    transformers = import_library("transformers", source=source)
    try:
        # in fp32 even where the file is in 16 bits
        # code in the repository would be run at the press of a key
        model, report = transformers.AutoModel.from_pretrained(
            name, dtype=torch.float32, output_loading_info=True, trust_remote_code=False
        )
        processor, _ = transformers.ImageProcessingMixin.get_image_processor_dict(name)
    except Exception as error:
        raise not_loaded(source, error) from error
    tower = getattr(model, "vision_model", model)
    _check_report(report, prefix="" if tower is model else "vision_model.", is_tower=_is_tower(tower), source=source)
    config = tower.config
    if not hasattr(config, "patch_size") or not hasattr(config, "image_size"):
        raise InputError(f"{source}: a {config.model_type} has no patch tokens; convolutional networks load with timm:")
    patch_size = one_side(config.patch_size, what="the size of its patches", source=source)
    mean, std = _normalisation(processor, source)
    return LoadedNetwork(
        network=tower,
        encode=_encode(tower, patch_size),
        patch_size=patch_size,
        own_size_px=one_side(config.image_size, what="the size of its images", source=source),
        mean=mean,
        std=std,
    )


def _encode(tower: Any, patch_size: int) -> Encoder:
    """The last hidden states, taken apart: patches are the last P tokens, CLS and registers come first.

    The vector is the CLS token. Towers of image-text models give their ``pooler_output``, which is before the
    projection to the space shared with text, as in the linear probes of CLIP (Radford et al., arXiv 2103.00020,
    appendix A); their last hidden states are as transformers gives them, those of CLIP before its last norm.
    """
    # else the network interpolates its position embeddings by itself, or takes one size
    parameters = inspect.signature(tower.forward).parameters
    options = {"interpolate_pos_encoding": True} if "interpolate_pos_encoding" in parameters else {}

    def encode(images: Tensor) -> tuple[Tensor, Tensor]:
        output = tower(pixel_values=images, **options)
        tokens = output.last_hidden_state
        n_patches = (images.shape[-2] // patch_size) * (images.shape[-1] // patch_size)
        # ViT's pooler_output is a classifier's hidden layer, often untrained
        has_cls = not _is_tower(tower) and tokens.shape[1] > n_patches
        return tokens[:, 0] if has_cls else output.pooler_output, tokens[:, -n_patches:]

    return encode


def _is_tower(tower: Any) -> bool:
    return str(tower.config.model_type).endswith("_vision_model")


def _check_report(report: Mapping[str, Any], *, prefix: str, is_tower: bool, source: str) -> None:
    """Raises InputError where transformers left weights as they were drawn."""
    lacking = [*report["missing_keys"], *(str(entry) for entry in report["mismatched_keys"])]
    lacking = [key for key in lacking if key.startswith(prefix)]
    unused = () if is_tower else _UNUSED
    if lacking := sorted(key for key in lacking if not any(part in key for part in unused)):
        raise InputError(
            f"{source}: the file lacks weights of its model or has them in another shape: {', '.join(lacking[:5])}. "
            "Give the files of one model."
        )


def _normalisation(
    processor: Mapping[str, Any], source: str
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and deviation of the channels of pictures in 0 to 1."""
    if not processor.get("do_normalize", True):
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    found = [processor.get(key) for key in ("image_mean", "image_std")]
    if not all(isinstance(values, list) and len(values) == 3 for values in found):
        raise InputError(
            f"{source}: its image processor states image_mean {found[0]} and image_std {found[1]}; expected three "
            "numbers each. Add them to preprocessor_config.json in a local copy."
        )
    # 0 to 1 is 255 times smaller than the bytes that the processor expects
    scale = 255 * float(processor.get("rescale_factor", 1 / 255)) if processor.get("do_rescale", True) else 255.0
    mean, std = (tuple(float(value) / scale for value in values or ()) for values in found)
    return (mean[0], mean[1], mean[2]), (std[0], std[1], std[2])
