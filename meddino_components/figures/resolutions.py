"""Figure of principal components as colours at increasing input resolution, one row per slice.

Shapes: h, w patches of a slice at one size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..embeddings import FrozenEncoder
from ..errors import InputError
from ..features.feature_maps import PrincipalBasis
from .drawing import Sheet, Tile, draw
from .encoded_slice import basis_of, encode_slice
from .scan_slice import ScanSlice, outer_box, scan_window


@dataclass(frozen=True)
class ResolutionColours:
    """Colours of slices at several sizes.

    Attributes:
        rgb: colours from 0 to 1 of each slice at each size, [h, w, 3].
        basis: basis that colours all panels.
        reference_px: size at which the basis was fitted.
    """

    rgb: list[list[NDArray[np.float32]]]
    basis: PrincipalBasis
    reference_px: int


def resolution_colours(
    encoder: FrozenEncoder,
    slices: Sequence[ScanSlice],
    sizes_px: Sequence[int],
    *,
    reference_px: int | None = None,
    mask: bool = True,
) -> ResolutionColours:
    """Colour slices at several sizes with one basis, so that a colour means the same in all panels.

    The basis is fitted to the body's patches of all slices at one size. If it were fitted to all sizes together, one
    component would only describe the effect of the size.

    Args:
        encoder: frozen encoder.
        slices: slices of one scan.
        sizes_px: sides of the squares, multiples of the patch size.
        reference_px: size at which the basis is fitted; None uses the middle size (the lower one of two).
        mask: True fits and colours the patches of the body only and leaves the rest black; False uses all patches.

    Raises:
        InputError: there are no slices or sizes, a size does not fit the encoder, or the reference is not one of the
            sizes.
    """
    if not slices or not sizes_px:
        raise InputError("resolutions: expected at least one slice and one size")
    reference = sorted(sizes_px)[(len(sizes_px) - 1) // 2] if reference_px is None else reference_px
    if reference not in sizes_px:
        raise InputError(f"reference {reference} px is not one of the sizes {list(sizes_px)}. Choose one of them")
    for size in sizes_px:  # check all sizes before the slow part
        slices[0].encoder_input(encoder, size)
    encoded = {size: [encode_slice(encoder, s, size, mask=mask) for s in slices] for size in sizes_px}
    basis = basis_of(encoded[reference], what=f"{slices[0].scan} at {reference} px")
    rgb = [[encoded[size][k].colours(basis).numpy() for size in sizes_px] for k in range(len(slices))]
    return ResolutionColours(rgb, basis, reference)


def draw_resolutions(
    path: Path,
    *,
    encoder: FrozenEncoder,
    slices: Sequence[ScanSlice],
    sizes_px: Sequence[int],
    reference_px: int | None = None,
    mask: bool = True,
    window: tuple[float, float] | None = None,
    dpi: int = 300,
) -> ResolutionColours:
    """Draw each slice in grey, followed by its colours at each size; see `resolution_colours`.

    Args:
        path: PNG, PDF or SVG file to write.
        window: grey levels (low, high) of the slices, in their units; None uses soft tissue for CT and the intensity
            range of the body for MR.
        dpi: resolution of the panels in dots per inch.

    Raises:
        InputError: see `resolution_colours`; or matplotlib is not installed.
    """
    found = resolution_colours(encoder, slices, sizes_px, reference_px=reference_px, mask=mask)
    grey = scan_window(list(slices), window)
    rows = [
        [Tile.grey(s, grey, scale_bar=k == 0), *(Tile.map(rgb) for rgb in of_slice)]
        for k, (s, of_slice) in enumerate(zip(slices, found.rgb, strict=True))
    ]
    side, patch = slices[0].side_mm, encoder.patch_size
    heads = [f"{size} px ({side * patch / size:.2g} mm per patch)" for size in sizes_px]
    where = "the body's patches" if mask else "all patches"
    sheet: dict[str, Any] = {
        "title": f"{encoder.name}: {slices[0].scan}",
        "note": f"Colours: principal components 1 to 3 of {where} at {found.reference_px} px "
        f"({100 * found.basis.explained:.0f} % of their variance), used in all panels.",
    }
    view = outer_box([s.body_box for s in slices])
    draw(path, Sheet(rows, heads=["", *heads], names=[s.name for s in slices], view=view, **sheet), dpi=dpi)
    return found
