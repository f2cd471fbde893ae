"""A slice's features at one size, and which of them are the body's.

Shapes: P = h * w patches, D width, Q points.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, cat, ones

from ..embeddings import FrozenEncoder
from ..errors import InputError
from ..features.feature_maps import PrincipalBasis, principal_basis
from ..features.patch_features import extract_features
from .scan_slice import ScanSlice

_FEWEST = 4  # patches that decide three components


@dataclass(frozen=True)
class EncodedSlice:
    """What an encoder makes of a slice.

    Attributes:
        patches: [P, D].
        grid: h and w.
        foreground: patches to colour, boolean [P].
        brightness: mean intensity of each patch [P].
    """

    patches: Tensor
    grid: tuple[int, int]
    foreground: Tensor
    brightness: Tensor

    def colours(self, basis: PrincipalBasis) -> Tensor:
        """By a basis, the background black [h, w, 3]."""
        return (basis.colours(self.patches) * self.foreground[:, None]).unflatten(0, self.grid)


def encode_slice(encoder: FrozenEncoder, slice_: ScanSlice, size_px: int, *, mask: bool = True) -> EncodedSlice:
    """Encode a slice as a square of a size.

    Args:
        encoder: any.
        slice_: the slice.
        size_px: side of the square, a multiple of the patch size.
        mask: only patches of the body are foreground; otherwise all are.

    Raises:
        InputError: the size does not fit the encoder, or the slice shows nothing but air.
    """
    image = slice_.encoder_input(encoder, size_px)
    features = extract_features(encoder.encode, [{"image": image}], patch_size=encoder.patch_size)
    patches = features.patches[0]
    foreground = slice_.body_patches(features.grid) if mask else ones(len(patches)).bool()
    return EncodedSlice(patches, features.grid, foreground, slice_.brightness(features.grid))


def basis_of(encoded: list[EncodedSlice], *, what: str, previous: Tensor | None = None) -> PrincipalBasis:
    """The principal components of the foreground of some slices together.

    Args:
        encoded: the slices.
        what: for the message.
        previous: ``scores`` to which the colours are aligned, see `principal_basis`.

    Raises:
        InputError: too few patches.
    """
    inside = cat([e.patches[e.foreground] for e in encoded])
    if len(inside) < _FEWEST:
        raise InputError(
            f"{what}: the body fills {len(inside)} patches, three components need {_FEWEST}. Choose a larger size"
        )
    brightness = cat([e.brightness[e.foreground] for e in encoded])
    return principal_basis(inside, brightness=brightness, previous=previous)
