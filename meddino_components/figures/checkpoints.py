"""Figure of one slice over the course of training: colours and similarity to points, one row per checkpoint.

Shapes: h, w patches of a slice, Q points.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..embeddings import FrozenEncoder
from ..errors import InputError
from .drawing import Sheet, Tile, draw
from .encoded_slice import EncodedSlice, basis_of, encode_slice
from .scan_slice import ScanSlice, scan_window
from .similarity import Point, maps_to_points


@dataclass(frozen=True)
class CheckpointMaps:
    """Maps of the slice's features from one checkpoint.

    Attributes:
        name: name of the encoder.
        rgb: principal components as colours from 0 to 1, [h, w, 3].
        similarities: cosine similarity to each point, [Q, h, w], -1 to 1.
        explained: share of the foreground's variance that the three components explain together.
    """

    name: str
    rgb: NDArray[np.float32]
    similarities: NDArray[np.float32]
    explained: float


def checkpoint_maps(
    encoders: Iterable[FrozenEncoder],
    slice_: ScanSlice,
    points: Sequence[Point],
    size_px: int,
    *,
    mask: bool = True,
) -> list[CheckpointMaps]:
    """Compute colours and similarities of one slice with each encoder.

    The feature axes of two checkpoints are unrelated, so each checkpoint gets its own principal components. The
    components of the last checkpoint are used as they are; those of the others are rotated to match them as closely as
    possible (`principal_basis`). Differences between rows then show what the features separate, not the order or sign
    of the components.

    Args:
        encoders: encoders in the order of the rows; a generator may create each one when it is needed.
        slice_: slice to encode.
        points: x and y in the slice's square.
        size_px: side of the square, a multiple of the patch size.
        mask: True fits and colours the patches of the body only and leaves the rest black; False uses all patches.

    Raises:
        InputError: there is no encoder, or the size does not fit one of them.
    """
    encoded: list[tuple[str, EncodedSlice]] = []
    for encoder in encoders:
        encoded.append((encoder.name, encode_slice(encoder, slice_, size_px, mask=mask)))
    if not encoded:
        raise InputError("checkpoints: expected at least one encoder")
    last = basis_of([encoded[-1][1]], what=f"{slice_.scan} at {size_px} px")
    found = []
    for name, one in encoded:
        is_last = one is encoded[-1][1]
        basis = last if is_last else basis_of([one], what=f"{slice_.scan} at {size_px} px", previous=last.scores)
        found.append(CheckpointMaps(name, one.colours(basis).numpy(), maps_to_points(one, points), basis.explained))
    return found


def draw_checkpoints(
    path: Path,
    *,
    encoders: Iterable[FrozenEncoder],
    slice_: ScanSlice,
    points: Sequence[Point],
    size_px: int,
    mask: bool = True,
    window: tuple[float, float] | None = None,
    dpi: int = 300,
) -> list[CheckpointMaps]:
    """Draw the slice and, below it, one row per checkpoint with its colours and similarity maps; see `checkpoint_maps`.

    Args:
        path: PNG, PDF or SVG file to write.
        window: grey levels (low, high) of the slice, in its units; None uses soft tissue for CT and the intensity range
            of the body for MR.
        dpi: resolution of the panels in dots per inch.

    Raises:
        InputError: see `checkpoint_maps`; or matplotlib is not installed.
    """
    found = checkpoint_maps(encoders, slice_, points, size_px, mask=mask)
    grey = scan_window([slice_], window)
    marks = [(number, *point) for number, point in enumerate(points, start=1)]
    rows = [[Tile.grey(slice_, grey, scale_bar=True), *(Tile.grey(slice_, grey, marks=[m]) for m in marks)]]
    for one in found:
        maps = zip(one.similarities, marks, strict=True)
        rows.append([Tile.map(one.rgb), *(Tile.similarity(m, marks=[mark]) for m, mark in maps)])
    sheet = Sheet(
        rows,
        heads=["principal components", *(f"similarity to point {number}" for number, *_ in marks)],
        names=[slice_.name, *(one.name for one in found)],
        view=slice_.body_box,
        title=f"{slice_.scan} at {size_px} px",
        note="Colours: principal components 1 to 3 of each checkpoint, rotated to match those of the last row.",
    )
    draw(path, sheet, dpi=dpi)
    return found
