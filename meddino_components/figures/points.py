"""The points to which features are compared: chosen by the user in the scan, or spread over the body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InputError
from ..features.feature_maps import choose_points
from .scan import Scan, Space
from .scan_slice import Place, ScanSlice, middle_of

_GRID = (32, 32)  # where spread points may lie, the same for every size and encoder


def places_of(scan: Scan, points: Sequence[Sequence[float]], space: Space, index: int | None) -> list[Place]:
    """The places of points, all in one slice.

    Args:
        scan: in which they lie.
        points: each three numbers; one point may stand for a list of one.
        space: see `Scan.place`.
        index: index of the slice that is drawn; None takes that of the first point.

    Raises:
        InputError: points outside the scan, or in another slice.
    """
    is_one = len(points) > 0 and not isinstance(points[0], (list, tuple))
    listed: list[Any] = [points] if is_one else list(points)
    places = [scan.place(point, space) for point in listed]
    shown = places[0].index if index is None and places else index
    for point, place in zip(listed, places, strict=True):
        if place.index != shown:
            raise InputError(
                f"{scan.name}: point {point} lies in slice {place.index}, drawn is slice {shown}. Choose points of one "
                "slice; without --slice it is that of the first point"
            )
    return places


def points_in_square(
    slice_: ScanSlice, places: Sequence[Place], *, n_points: int, mask: bool = True
) -> list[tuple[float, float]]:
    """x and y of the points in the square; without places, some spread over the body, the same for every encoder.

    Args:
        slice_: in which they lie.
        places: the user's.
        n_points: how many to choose where there are none.
        mask: refuse points outside the body.

    Raises:
        InputError: a point outside the body.
    """
    if not places:
        if n_points < 1:
            raise InputError(f"{n_points} points asked for; expected at least 1, or points of your own")
        foreground = slice_.body_patches(_GRID)
        return [middle_of(p, _GRID) for p in choose_points(n_points, _GRID, labels=None, foreground=foreground)]
    found = [slice_.to_square(place.row, place.column) for place in places]
    for place, (x, y) in zip(places, found, strict=True):
        if mask and not slice_.is_body(x, y):
            raise InputError(
                f"{slice_.scan}: a point in row {place.row:.1f}, column {place.column:.1f} of slice {slice_.index} "
                "(anterior up, the patient's right on the left) lies in the air outside the body. Check its "
                "coordinates (voxels of the file, or mm to the right, anterior and superior), or give --mask False"
            )
    return found
