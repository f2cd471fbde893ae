"""Other people's image encoders by name, in the harness that judges ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from ..errors import InputError
from .encoders import FrozenEncoder
from .loaded_networks import LoadedNetwork, as_frozen_encoder, tensors_only
from .open_clip_networks import load_open_clip
from .timm_networks import load_timm
from .transformers_networks import load_transformers


def external_encoder(
    source: str,
    *,
    device: str | torch.device,
    amp: bool | str = False,
    checkpoint: str | Path | None = None,
    size_px: int | None = None,
) -> FrozenEncoder:
    """A pretrained network of timm, transformers or open_clip as a frozen encoder of pictures.

    ============================================  ==================================================================
    source                                        vector of an image
    ============================================  ==================================================================
    ``timm:<name>``                               CLS token; without one what timm's classifier would get
    ``timm:hf-hub:<owner>/<name>``
    ``timm:local-dir:<folder>``
    ``transformers:<owner>/<name>`` or a folder   CLS token; of image-text models the pooled vector before projection
    ``open_clip:hf-hub:<owner>/<name>``           pooled vector before projection
    ``open_clip:local-dir:<folder>``
    ``open_clip:<model>/<tag>``
    ============================================  ==================================================================

    Patch vectors are the last layer's without CLS token and registers, or the cells of the last feature map. Mean and
    deviation are those that the model's own files state. The network's weights, the source and the precision are in
    the digest.

    Args:
        source: library and name, see above.
        device: device that computes the embeddings.
        amp: encode in bfloat16.
        checkpoint: weights on disk for ``timm:<name>`` and ``open_clip:<model>``, in the library's own names.
        size_px: the size that will be asked for. Position embeddings of timm's and transformers' networks are
            interpolated for each image where the network can; those of open_clip's when it is loaded, so that it has
            to be known here unless it is the network's own.

    Returns:
        An encoder with ``fixed_size_px`` where the network takes one size alone.

    Raises:
        InputError: another library, one that is not installed, no such model, weights that do not fit, a network
            without a grid of patches, or one that does not take ``size_px``.
    """
    library, _, name = source.partition(":")
    if not name or library not in ("timm", "transformers", "open_clip"):
        raise InputError(
            f"the encoder is {source!r}; expected timm:<name>, transformers:<repository or folder>, "
            "open_clip:hf-hub:<repository> or open_clip:<model>/<tag>"
        )
    if checkpoint is not None and not Path(checkpoint).is_file():
        raise InputError(f"{source}: the file {checkpoint} does not exist; give the path of its weights")
    if library == "transformers" and checkpoint is not None:
        raise InputError(f"{source}: takes no checkpoint; give the folder that save_pretrained wrote as its name")
    loaded: LoadedNetwork
    with tensors_only():
        if library == "timm":
            loaded = load_timm(name, source=source, checkpoint=checkpoint)
        elif library == "open_clip":
            loaded = load_open_clip(name, source=source, checkpoint=checkpoint, size_px=size_px)
        else:
            loaded = load_transformers(name, source=source)
    return as_frozen_encoder(loaded, source=source, device=device, amp=amp, size_px=size_px)


def with_external_encoders(
    own: FrozenEncoder,
    sources: Sequence[str | FrozenEncoder],
    *,
    device: str | torch.device,
    amp: bool | str = False,
    size_px: int | None = None,
) -> list[FrozenEncoder]:
    """An encoder of this project and others, to be compared by the same probes.

    Args:
        own: the encoder of this project, which comes first.
        sources: names of other libraries' encoders, see `external_encoder`, or encoders that are made already.
        device: see `external_encoder`.
        amp: see `external_encoder`.
        size_px: see `external_encoder`.
    """
    others = [
        source
        if isinstance(source, FrozenEncoder)
        else external_encoder(source, device=device, amp=amp, size_px=size_px)
        for source in sources
    ]
    return [own, *others]
