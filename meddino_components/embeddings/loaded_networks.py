"""Networks of other libraries as frozen encoders: imported, tried out, and asked for their sizes.

Shapes: B images, H rows, W columns, P patches, D width.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..project import extra
from .encoders import Encoder, FrozenEncoder, check_bfloat16, in_bfloat16, weights_digest
from .torchvision_pairing import import_torchvision

# torch's own variable, read at each torch.load
_WEIGHTS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


@dataclass(frozen=True, kw_only=True)
class LoadedNetwork:
    """A network that a library loaded.

    Attributes:
        network: the module with all parameters that ``encode`` uses.
        encode: maps images [B, 3, H, W] on the network's device to vectors [B, D] and [B, P, D].
        patch_size: pixels from one patch, or cell of the feature map, to the next.
        own_size_px: the image side that the network was designed for.
        mean, std: mean and standard deviation of the three channels.
    """

    network: nn.Module
    encode: Encoder
    patch_size: int
    own_size_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def import_library(module: str, *, source: str) -> Any:
    """A library of the extra ``encoders``.

    Raises:
        InputError: it is not installed.
    """
    try:
        import_torchvision()
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(f"{source}: {module} cannot be imported ({error}): {extra('encoders')}") from error


@contextmanager
def tensors_only() -> Iterator[None]:
    """Let torch read weights with ``weights_only=True``, whatever the library asks for; another file fails."""
    before = os.environ.get(_WEIGHTS_ONLY)
    os.environ[_WEIGHTS_ONLY] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_WEIGHTS_ONLY]
        else:
            os.environ[_WEIGHTS_ONLY] = before


def not_loaded(source: str, error: Exception) -> InputError:
    """Say what failed. Any exception counts: its type differs between libraries and their versions."""
    reason = " ".join(str(error).split())[:500]
    return InputError(
        f"{source}: cannot be loaded ({type(error).__name__}: {reason}). Check the name, and the connection to the hub "
        "where the weights lie; or give weights that are on disk, see external_encoder."
    )


def one_side(value: int | Sequence[int], *, what: str, source: str) -> int:
    """A side in pixels from what libraries state for one or for both.

    Raises:
        InputError: rows and columns differ.
    """
    sides = {value} if isinstance(value, int) else set(value)
    if len(sides) != 1:
        raise InputError(f"{source}: {what} is {value}; expected the same for rows and columns. Choose another model.")
    return int(sides.pop())


def as_frozen_encoder(
    loaded: LoadedNetwork, *, source: str, device: str | torch.device, amp: bool | str, size_px: int | None
) -> FrozenEncoder:
    """The network on its device in evaluation mode, after a try at its own size or at the next larger one.

    Raises:
        InputError: it gives no vector a patch on a grid, or takes another size alone than ``size_px``.
    """
    check_bfloat16(amp)
    network = loaded.network.to(device).eval().requires_grad_(False)

    def encode(images: Tensor) -> tuple[Tensor, Tensor]:
        return loaded.encode(images.expand(-1, 3, -1, -1).to(device))

    encoder = in_bfloat16(encode, network) if amp else encode
    patch, own = loaded.patch_size, loaded.own_size_px
    # networks say in many ways which sizes they take, and some do not
    only_own = _problem(encoder, (own // patch + 1) * patch, patch) is not None
    if only_own and (problem := _problem(encoder, own, patch)):
        raise InputError(f"{source}: {problem}. Only encoders with a square grid of patches or cells can be compared.")
    if only_own and size_px not in (None, own):
        raise InputError(f"{source}: takes images of {own} x {own} alone, and size_px is {size_px}; set it to {own}")
    precision = "bf16" if amp else "fp32"
    return FrozenEncoder(
        name=source,
        encode=encoder,
        patch_size=patch,
        digest=weights_digest(network, extra=f"{source}/{precision}/{loaded.mean}/{loaded.std}"),
        intensity="picture",
        mean=loaded.mean,
        std=loaded.std,
        fixed_size_px=own if only_own else None,
    )


@torch.no_grad()
def _problem(encode: Encoder, side: int, patch_size: int) -> str | None:
    """Why images of this side cannot be encoded; None if they can."""
    try:
        vector, patches = encode(torch.zeros(1, 3, side, side))
    except Exception as error:  # assertions, shapes that do not match, operators: whatever the library raises
        return f"fails at {side} x {side} pixels ({type(error).__name__}: {' '.join(str(error).split())[:300]})"
    expected = (side // patch_size) ** 2
    if vector.ndim != 2 or patches.ndim != 3 or patches.shape[1] != expected:
        shapes = f"{list(vector.shape)} and {list(patches.shape)}"
        return f"gives {shapes} for {side} x {side} pixels; expected [1, D] and [1, {expected}, D]"
    return None
