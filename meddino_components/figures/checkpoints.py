"""One slice through a training: colours and similarity to a point, a row a checkpoint.

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
    """What one checkpoint makes of the slice.

    Attributes:
        name: name of the encoder.
        rgb: [h, w, 3], 0 to 1.
        similarities: [Q, h, w], -1 to 1.
        explained: share of the foreground's variance in the three components together.
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
    """Colours and similarities of one slice by each encoder.

    Two checkpoints share no axes, so each has principal components of its own. Those of the last are its colours; the
    others' three are turned together to lie as near to them as they can (`principal_basis`), so that what changes from
    row to row is what the features tell apart, not the order or the sign of components.

    Args:
        encoders: in the order of the rows; each is asked once and may be made when its turn comes.
        slice_: the slice.
        points: x and y in the slice's square.
        size_px: side of the square, a multiple of the patch size.
        mask: the body decides and is coloured, all else is black; otherwise every patch.

    Raises:
        InputError: no encoder, or a size that does not fit one.
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
    """Draw the slice, then a row a checkpoint: its colours, its similarity to each point; see `checkpoint_maps`.

    Args:
        path: PNG, PDF or SVG.
        window: (low, high) of the grey slice, in its units; None is soft tissue for CT, the body's range for MR.
        dpi: dots per inch of the pictures.

    Raises:
        InputError: see `checkpoint_maps`; matplotlib is not installed.
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
        note="Colours: components 1 to 3 of each checkpoint, turned to agree with the last row.",
    )
    draw(path, sheet, dpi=dpi)
    return found
