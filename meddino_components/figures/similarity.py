"""Figure of the cosine similarity of a slice's features to chosen points, one panel per point.

Shapes: h, w patches, Q points.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..embeddings import FrozenEncoder
from ..features.feature_maps import cosine_maps
from .drawing import Sheet, Tile, draw
from .encoded_slice import EncodedSlice, encode_slice
from .scan_slice import ScanSlice, patch_at, scan_window

Point = tuple[float, float]  # x and y in the square


def maps_to_points(encoded: EncodedSlice, points: Sequence[Point]) -> NDArray[np.float32]:
    """Return the similarity of every patch to the patches that contain the points, [Q, h, w]."""
    numbers = [patch_at(x, y, encoded.grid) for x, y in points]
    maps: NDArray[np.float32] = cosine_maps(encoded.patches, numbers).unflatten(1, encoded.grid).numpy()
    return maps


def similarity_maps(
    encoder: FrozenEncoder, slice_: ScanSlice, points: Sequence[Point], size_px: int
) -> NDArray[np.float32]:
    """Compute the cosine similarity of every patch of a slice to the patches that contain the points.

    Args:
        encoder: frozen encoder.
        slice_: slice to encode.
        points: x and y in the slice's square, see `points_in_square`.
        size_px: side of the square, a multiple of the patch size.

    Returns:
        Similarities from -1 to 1, [Q, h, w].

    Raises:
        InputError: the size does not fit the encoder.
    """
    return maps_to_points(encode_slice(encoder, slice_, size_px, mask=False), points)


def draw_similarity(
    path: Path,
    *,
    encoder: FrozenEncoder,
    slice_: ScanSlice,
    points: Sequence[Point],
    size_px: int,
    window: tuple[float, float] | None = None,
    dpi: int = 300,
) -> NDArray[np.float32]:
    """Draw the slice with its points, followed by the similarity to each point; see `similarity_maps`.

    Args:
        path: PNG, PDF or SVG file to write.
        window: grey levels (low, high) of the slice, in its units; None uses soft tissue for CT and the intensity range
            of the body for MR.
        dpi: resolution of the panels in dots per inch.

    Raises:
        InputError: the size does not fit the encoder, or matplotlib is not installed.
    """
    maps = similarity_maps(encoder, slice_, points, size_px)
    marks = [(number, *point) for number, point in enumerate(points, start=1)]
    first = Tile.grey(slice_, scan_window([slice_], window), marks=marks, scale_bar=True)
    heads = [slice_.name, *(f"similarity to point {number}" for number, *_ in marks)]
    tiles = [first, *(Tile.similarity(m, marks=[mark]) for m, mark in zip(maps, marks, strict=True))]
    title = f"{encoder.name}: {slice_.scan} at {size_px} px"
    draw(path, Sheet([tiles], heads=heads, view=slice_.body_box, title=title), dpi=dpi)
    return maps
