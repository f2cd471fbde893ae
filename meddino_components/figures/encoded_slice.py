"""Features of a slice at one input size, with a mask of the patches that show the body.

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

_FEWEST = 4  # patches needed for three components


@dataclass(frozen=True)
class EncodedSlice:
    """Features of a slice.

    Attributes:
        patches: features of the patches [P, D].
        grid: h and w.
        foreground: patches to colour, boolean [P].
        brightness: mean intensity of each patch [P].
    """

    patches: Tensor
    grid: tuple[int, int]
    foreground: Tensor
    brightness: Tensor

    def colours(self, basis: PrincipalBasis) -> Tensor:
        """Return the colours of the patches in a basis, [h, w, 3]; the background is black."""
        return (basis.colours(self.patches) * self.foreground[:, None]).unflatten(0, self.grid)


def encode_slice(encoder: FrozenEncoder, slice_: ScanSlice, size_px: int, *, mask: bool = True) -> EncodedSlice:
    """Resize a slice to a square of the given side and encode it.

    Args:
        encoder: frozen encoder.
        slice_: slice to encode.
        size_px: side of the square, a multiple of the patch size.
        mask: True makes only patches of the body foreground; False makes all patches foreground.

    Raises:
        InputError: the size does not fit the encoder, or the slice shows only air.
    """
    image = slice_.encoder_input(encoder, size_px)
    features = extract_features(encoder.encode, [{"image": image}], patch_size=encoder.patch_size)
    patches = features.patches[0]
    foreground = slice_.body_patches(features.grid) if mask else ones(len(patches)).bool()
    return EncodedSlice(patches, features.grid, foreground, slice_.brightness(features.grid))


def basis_of(encoded: list[EncodedSlice], *, what: str, previous: Tensor | None = None) -> PrincipalBasis:
    """Fit principal components to the foreground patches of all given slices together.

    Args:
        encoded: encoded slices.
        what: description of the slices, for the error message.
        previous: ``scores`` to which the colours are aligned, see `principal_basis`.

    Raises:
        InputError: the foreground has too few patches.
    """
    inside = cat([e.patches[e.foreground] for e in encoded])
    if len(inside) < _FEWEST:
        raise InputError(
            f"{what}: the body fills {len(inside)} {'patch' if len(inside) == 1 else 'patches'}, but three components "
            f"need {_FEWEST}. Choose a larger size"
        )
    brightness = cat([e.brightness[e.foreground] for e in encoded])
    return principal_basis(inside, brightness=brightness, previous=previous)
