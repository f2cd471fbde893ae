"""Define the anatomy of an abdomen by signed distances of organs and surroundings in a template patient.

Template millimetres [l, p, s]: towards the patient's left, posterior and superior; the origin is in the middle of the
body at the second lumbar vertebra. Every structure is a function of coordinates to an approximate signed distance in
mm, negative inside. Sizes and positions are those of a man 175 cm tall, from general anatomical knowledge; nothing is
derived from a data set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Point = tuple[float, float, float]
Distance = Callable[[Array, Array, Array], Array]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A structure and a box [l, p, s] in mm that certainly contains it."""

    low: Point
    high: Point
    distance: Distance


def ellipsoid(centre: Point, radii: Point, tilt_deg: Point = (0.0, 0.0, 0.0)) -> Shape:
    """Return an ellipsoid with half axes in mm, rotated about the axes l, p, s by `tilt_deg`."""
    turn = rotation(tilt_deg)
    c, r = np.asarray(centre, np.float32), np.asarray(radii, np.float32)
    scaled = (turn.T / r[:, None]).astype(np.float32)
    reach = np.sqrt(((turn * r) ** 2).sum(axis=1))

    def distance(lft: Array, pos: Array, sup: Array) -> Array:
        x, y, z = lft - c[0], pos - c[1], sup - c[2]
        u = [row[0] * x + row[1] * y + row[2] * z for row in scaled]
        rho = np.sqrt(u[0] ** 2 + u[1] ** 2 + u[2] ** 2)
        slope = np.sqrt((u[0] / r[0]) ** 2 + (u[1] / r[1]) ** 2 + (u[2] / r[2]) ** 2)
        value: Array = rho * (rho - 1) / np.maximum(slope, 1e-6)  # first order distance
        return value

    return Shape(low=_point(c - reach), high=_point(c + reach), distance=distance)


def tube(points: Sequence[Point], radii: Sequence[float]) -> Shape:
    """Return a tube along a polyline, with a radius in mm that changes linearly between the points."""
    pts = np.asarray(points, np.float32)
    low = (pts - np.asarray(radii)[:, None]).min(axis=0)
    high = (pts + np.asarray(radii)[:, None]).max(axis=0)

    def distance(lft: Array, pos: Array, sup: Array) -> Array:
        best: Array | None = None
        for a, b, ra, rb in zip(pts[:-1], pts[1:], radii[:-1], radii[1:], strict=True):
            d = b - a
            x, y, z = lft - a[0], pos - a[1], sup - a[2]
            t = np.clip((x * d[0] + y * d[1] + z * d[2]) / float(d @ d), 0, 1)
            part = np.sqrt((x - t * d[0]) ** 2 + (y - t * d[1]) ** 2 + (z - t * d[2]) ** 2) - (ra + t * (rb - ra))
            best = part if best is None else np.minimum(best, part)
        assert best is not None
        return best

    return Shape(low=_point(low), high=_point(high), distance=distance)


def segments(points: Sequence[Point], radii: Sequence[float]) -> list[Shape]:
    """Return the pieces of a long tube, each with its own small box, so that painting them is cheap."""
    return [tube(points[i : i + 2], radii[i : i + 2]) for i in range(len(points) - 1)]


def union(*shapes: Shape, smooth_mm: float = 0.0) -> Shape:
    """Return the union of shapes; `smooth_mm` fills the creases between them."""

    def distance(lft: Array, pos: Array, sup: Array) -> Array:
        result = shapes[0].distance(lft, pos, sup)
        for shape in shapes[1:]:
            other = shape.distance(lft, pos, sup)
            fill = np.maximum(smooth_mm - np.abs(result - other), 0) ** 2 / (4 * smooth_mm) if smooth_mm else 0
            result = np.minimum(result, other) - fill
        return result

    low = np.min([s.low for s in shapes], axis=0) - smooth_mm
    high = np.max([s.high for s in shapes], axis=0) + smooth_mm
    return Shape(low=_point(low), high=_point(high), distance=distance)


def without(shape: Shape, hole: Shape) -> Shape:
    """Return the part of the first shape outside the second."""

    def distance(lft: Array, pos: Array, sup: Array) -> Array:
        return np.maximum(shape.distance(lft, pos, sup), -hole.distance(lft, pos, sup))

    return Shape(low=shape.low, high=shape.high, distance=distance)


def rotation(tilt_deg: Point) -> npt.NDArray[np.float64]:
    """Rotation matrix [3, 3]: about l, then p, then s."""
    a, b, c = np.deg2rad(tilt_deg)
    about_l = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_p = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_s = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    turned: npt.NDArray[np.float64] = about_s @ about_p @ about_l
    return turned


def organs() -> dict[int, Shape]:
    """The 15 AMOS organs by label id."""
    kidney_r = without(
        ellipsoid((-62, 42, -8), (26, 27, 52), (0, -10, -20)), ellipsoid((-38, 34, -8), (14, 11, 16), (0, -10, -20))
    )
    kidney_l = without(
        ellipsoid((62, 40, 6), (26, 27, 53), (0, 10, 20)), ellipsoid((38, 32, 6), (14, 11, 16), (0, 10, 20))
    )
    liver = union(
        ellipsoid((-76, 2, 52), (62, 76, 84), (0, 8, 0)),
        ellipsoid((-12, -42, 80), (74, 38, 36), (0, 12, 0)),
        smooth_mm=25,
    )
    stomach = tube([(52, 22, 92), (60, -18, 68), (56, -48, 36), (24, -60, 14), (-14, -46, 8)], [27, 27, 22, 17, 11])
    return {
        1: without(ellipsoid((104, 36, 66), (29, 46, 54), (12, 10, 25)), ellipsoid((70, 20, 62), (26, 34, 44))),
        2: kidney_r,
        3: kidney_l,
        4: ellipsoid((-58, -48, 0), (16, 15, 35), (25, 8, 0)),
        5: tube([(6, 22, 190), (8, 16, 125), (16, 8, 100), (32, 6, 88)], [9, 9, 9, 10]),
        6: liver,
        7: stomach,
        8: tube([(22, 34, 190), (16, 32, 120), (6, 16, 60), (6, 10, 0), (2, 8, -55)], [12.5, 12, 11, 10, 9]),
        9: tube([(-18, -8, 122), (-24, 8, 90), (-22, 12, 40), (-20, 12, 0), (-16, 16, -62)], [13, 12.5, 12, 11.5, 11]),
        10: tube([(-30, -14, -18), (-22, -16, 2), (2, -26, 14), (36, -10, 26), (84, 16, 44)], [15, 17, 11, 12, 10]),
        11: union(
            ellipsoid((-30, 28, 52), (3.2, 12, 17), (0, 0, -12)), ellipsoid((-38, 30, 47), (3.2, 13, 14), (0, 0, 38))
        ),
        12: union(
            ellipsoid((32, 26, 46), (3.2, 12, 17), (0, 0, 12)), ellipsoid((40, 28, 41), (3.2, 13, 14), (0, 0, -38))
        ),
        13: tube(
            [(-18, -44, 6), (-50, -28, 8), (-54, -10, -20), (-46, -4, -48), (-8, -8, -52), (22, -8, -38)],
            [11, 12, 12, 12, 11, 10],
        ),
        14: ellipsoid((0, -38, -186), (39, 33, 29), (10, 0, 0)),
        15: ellipsoid((0, -22, -227), (23, 18, 21)),
    }


def body_distance(lft: Array, pos: Array, sup: Array, fat_mm: float) -> tuple[Array, Array]:
    """Signed distances of the skin and of the inner side of the subcutaneous fat, which is `fat_mm` thick in front.

    The trunk is a superellipse, narrower at the waist and flatter at the back.
    """
    waist = 1 - 0.06 * np.exp(-(((sup + 40) / 70) ** 2))
    inner = _superellipse(lft, pos - 8, 152 * waist, 95 * np.ones_like(waist))
    # fat is thin over the flanks of the chest, thick over the belly and the buttocks
    pad = fat_mm * (0.55 + 0.45 * np.exp(-(((sup + 90) / 110) ** 2)))
    outer = _superellipse(lft, pos - 8, 152 * waist + pad, 95 + 0.8 * pad)
    return outer, inner


def diaphragm_height(lft: Array, pos: Array) -> Array:
    """Height s in mm of the two domes above (l, p); lung lies above, liver, stomach and spleen below."""
    right = 140 - 62 * ((lft + 72) / 66) ** 2
    left = 128 - 58 * ((lft - 70) / 62) ** 2
    fall = 62 * (np.maximum(pos, 0) / 90) ** 2 + 28 * (np.minimum(pos, 0) / 90) ** 2
    height: Array = np.maximum(np.maximum(right, left), 100) - fall
    return height


def spine() -> Shape:
    """Vertebral bodies and sacrum as one column with the lumbar lordosis."""
    return tube(
        [(0, 62, 200), (0, 58, 100), (0, 44, 0), (0, 42, -60), (0, 56, -110), (0, 86, -160)], [18, 19, 22, 23, 24, 14]
    )


def spinal_canal() -> Shape:
    """The canal with its fluid and cord or nerve roots."""
    return tube([(0, 86, 200), (0, 83, 100), (0, 73, 0), (0, 72, -60), (0, 86, -110)], [8, 8, 9, 9, 7])


def vertebral_arches() -> Shape:
    """Laminae, spinous and transverse processes; repeated along the spine by the caller."""
    return union(
        tube([(0, 96, 200), (0, 92, 100), (0, 84, 0), (0, 84, -60), (0, 96, -110)], [7, 8, 9, 9, 8]),
        tube([(-16, 74, 200), (-18, 66, 0), (-18, 68, -100)], [7, 7, 7]),
        tube([(16, 74, 200), (18, 66, 0), (18, 68, -100)], [7, 7, 7]),
    )


def pelvis() -> list[Shape]:
    """Iliac wings, hips with the femoral heads, pubis."""
    parts: list[Shape] = []
    for side in (-1, 1):
        parts += segments([(side * 58, 62, -95), (side * 92, 36, -108), (side * 110, -2, -122)], [9, 6, 7])
        parts += segments([(side * 56, 66, -112), (side * 88, 34, -140), (side * 88, 6, -180)], [11, 9, 14])
        parts += [ellipsoid((side * 88, 2, -205), (25, 25, 25))]
        parts += segments([(side * 66, -22, -205), (side * 8, -56, -226)], [10, 9])
    return parts


def muscles() -> list[Shape]:
    """Psoas, back and gluteal muscles; the wall follows from the body's outline."""
    parts: list[Shape] = []
    for side in (-1, 1):
        psoas = [(side * 28, 48, 30), (side * 40, 42, -50), (side * 58, 12, -140), (side * 76, -22, -215)]
        parts += segments(psoas, [9, 19, 18, 16])
        parts += segments([(side * 36, 94, 200), (side * 36, 90, 0), (side * 34, 98, -110)], [17, 22, 18])
        parts += [ellipsoid((side * 80, 84, -175), (56, 28, 70), (0, 0, side * -15))]
    return parts


def heart() -> Shape:
    """Heart with its blood, as one body above the diaphragm."""
    return ellipsoid((18, -38, 158), (58, 46, 42), (0, 20, 30))


def large_bowel() -> list[Shape]:
    """Ascending, transverse and descending colon; sigmoid and rectum."""
    colon: list[Point] = [(-92, -6, -118), (-104, 2, -60), (-100, -12, -32), (-60, -66, -34), (0, -74, -40)]
    colon += [(58, -66, -16), (104, 6, 10), (108, 26, -40), (96, 18, -110)]
    rectum: list[Point] = [(0, 40, -240), (0, 52, -190), (8, 50, -150), (40, 22, -130), (80, 14, -110)]
    return segments(colon, [26, 23, 22, 19, 18, 19, 17, 14, 14]) + segments(rectum, [14, 19, 16, 14, 14])


def liver_veins() -> Shape:
    """Hepatic veins towards the vena cava, and the portal vein with its two branches."""
    hepatic = [tube([(-24, 10, 104), end], [5.5, 2.5]) for end in ((-118, 34, 62), (-84, -46, 62), (-20, -60, 82))]
    portal = tube([(-22, -12, 12), (-38, -8, 34), (-62, 0, 44), (-104, 6, 40)], [6.5, 6.5, 5, 2.5])
    left_branch = tube([(-38, -8, 34), (-30, -36, 62), (10, -50, 78)], [5, 4, 2.5])
    return union(*hepatic, portal, left_branch)


def pelvic_cavity(lft: Array, pos: Array, sup: Array) -> Array:
    """Signed distance of the space between the walls of the pelvis, open towards the belly."""
    width = 46 + 0.32 * np.maximum(sup + 175, 0)
    rho = np.sqrt((lft / width) ** 2 + ((pos - 4) / 74) ** 2)
    distance: Array = (rho - 1) * np.minimum(width, 74)
    return distance


def ribs_distance(lft: Array, pos: Array, sup: Array, inner: Array) -> Array:
    """Signed distance of the ribs: slanting bars in the wall of the chest, none in front below the arch."""
    slant = sup - 0.55 * pos
    bar = np.abs(np.mod(slant, 27.0) - 13.5) - 6.0
    arch = 55.0 - 0.55 * np.abs(lft) - 0.65 * pos - sup  # positive where no rib is
    shell = np.abs(inner + 5.0) - 3.6
    distance: Array = np.maximum(np.maximum(bar, shell), arch)
    return distance


def _superellipse(x: Array, y: Array, half_x: Array, half_y: Array) -> Array:
    u, v = np.abs(x / half_x), np.abs(y / half_y)
    rho = (u * u * np.sqrt(u) + v * v * np.sqrt(v)) ** np.float32(0.4)
    distance: Array = (rho - 1) * np.minimum(half_x, half_y)
    return distance


def _point(values: npt.NDArray[np.floating]) -> Point:
    return float(values[0]), float(values[1]), float(values[2])
