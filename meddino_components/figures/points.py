"""Query points for similarity maps: given by the user in the scan, or spread over the body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InputError
from ..features.feature_maps import choose_points
from .scan import Scan, Space
from .scan_slice import Place, ScanSlice, middle_of

_GRID = (32, 32)  # grid for spreading points, independent of input size and encoder


def places_of(scan: Scan, points: Sequence[Sequence[float]], space: Space, index: int | None) -> list[Place]:
    """Locate points in the scan, all in one slice.

    Args:
        scan: scan that contains the points.
        points: points of three numbers each; a single point need not be in a list.
        space: coordinate system of the points, see `Scan.place`.
        index: index of the slice to draw; None uses the slice of the first point.

    Raises:
        InputError: a point lies outside the scan or in another slice.
    """
    is_one = len(points) > 0 and not isinstance(points[0], (list, tuple))
    listed: list[Any] = [points] if is_one else list(points)
    places = [scan.place(point, space) for point in listed]
    shown = places[0].index if index is None and places else index
    for point, place in zip(listed, places, strict=True):
        if place.index != shown:
            raise InputError(
                f"{scan.name}: point {point} lies in slice {place.index}, but the figure shows slice {shown}. Choose "
                "points in one slice; without --slice the figure shows the slice of the first point"
            )
    return places


def points_in_square(
    slice_: ScanSlice, places: Sequence[Place], *, n_points: int, mask: bool = True
) -> list[tuple[float, float]]:
    """Return x and y of the points in the square; without places, spread points over the body.

    Spread points do not depend on the encoder.

    Args:
        slice_: slice that contains the points.
        places: places given by the user; may be empty.
        n_points: number of points to spread if there are no places.
        mask: refuse points outside the body.

    Raises:
        InputError: a point lies outside the body, or ``n_points`` is below 1.
    """
    if not places:
        if n_points < 1:
            raise InputError(f"n_points is {n_points}; expected at least 1. Increase it, or give --points")
        foreground = slice_.body_patches(_GRID)
        return [middle_of(p, _GRID) for p in choose_points(n_points, _GRID, labels=None, foreground=foreground)]
    found = [slice_.to_square(place.row, place.column) for place in places]
    for place, (x, y) in zip(places, found, strict=True):
        if mask and not slice_.is_body(x, y):
            raise InputError(
                f"{slice_.scan}: the point at row {place.row:.1f}, column {place.column:.1f} of slice {slice_.index} "
                "(anterior up, the patient's right on the left) lies in the air outside the body. Check its "
                "coordinates (voxels of the file, or mm to the right, anterior and superior), or set --mask False"
            )
    return found
