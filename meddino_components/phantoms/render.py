"""Render one phantom case: the analytic anatomy with random pose, habitus and contrast.

Arrays are [H, W, D] in orientation PLS: rows towards posterior, columns towards the left, slices upwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import convolve1d, gaussian_filter1d

from ..data.volumes.ct_or_mr import Modality
from . import anatomy
from .anatomy import Array, Shape
from .contrast import ct_tissues, mr_tissues

# large and soft organs first: later ones displace earlier ones
_PAINT_ORDER = (6, 7, 1, 2, 3, 13, 10, 14, 15, 4, 5, 9, 8, 11, 12)
_UNDER_DIAPHRAGM = (1, 6, 7)
_SMALL = (4, 10, 13, 15)
_STEADY = (5, 8, 9, 11, 12)  # vessels and small organs move with their neighbours
_SIZE_RANGE = {4: (0.8, 1.2), 7: (0.88, 1.15), 14: (0.78, 1.22)}  # organs that fill and empty vary most


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """Image in HU or arbitrary MR units and label ids, both [H, W, D], and spacing in mm along H, W, D."""

    image: npt.NDArray[np.int16]
    label: npt.NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]


class _Canvas:
    """Image and label being painted, with the template coordinates of every voxel."""

    def __init__(self, coordinates: tuple[Array, Array, Array], edge_mm: float, background: float) -> None:
        self.lps = coordinates
        self.edge_mm = edge_mm
        shape = coordinates[0].shape
        self.image = np.full(shape, background, np.float32)
        self.label = np.zeros(shape, np.uint8)
        # lowest and highest template coordinate in each row, column and slice: boxes of shapes become index ranges
        axis_of = (1, 0, 2)
        others = [tuple(a for a in range(3) if a != axis) for axis in axis_of]
        self._ranges = [(c.min(axis=o), c.max(axis=o)) for c, o in zip(coordinates, others, strict=True)]

    def box(self, shape: Shape, margin_mm: float) -> tuple[slice, slice, slice] | None:
        found = []
        for (low, high), a, b in zip(self._ranges, shape.low, shape.high, strict=True):
            index = np.flatnonzero((high >= a - margin_mm) & (low <= b + margin_mm))
            if index.size == 0:
                return None
            found.append(slice(int(index[0]), int(index[-1]) + 1))
        return found[1], found[0], found[2]

    def paint(self, box: tuple[slice, slice, slice], distance: Array, value: Array | float) -> None:
        """Blend a value in with partial volume at the surface, which is `edge_mm` wide."""
        share = np.clip(0.5 - distance / self.edge_mm, 0, 1)
        view = self.image[box]
        view += share * (value - view)


def render_case(
    *, rng: np.random.Generator, modality: Modality, in_plane_px: int, slice_mm: tuple[float, float]
) -> Rendered:
    """Render one random patient.

    Args:
        rng: random generator that decides everything.
        modality: "ct" or "mr".
        in_plane_px: mean number of rows and columns; cases vary by a tenth.
        slice_mm: range of the distance between slices.
    """
    rows = round(in_plane_px * rng.uniform(0.92, 1.08))
    cols = round(in_plane_px * rng.uniform(0.92, 1.08))
    scale = rng.uniform(0.88, 1.1)
    fat_mm = float(rng.uniform(10, 32))
    pixel = rng.uniform(1.0, 1.12) * (2 * (152 + fat_mm) * scale + 44) / cols
    pixel = max(pixel, (2 * (100 + fat_mm) * scale + 60) / rows)
    step = float(rng.uniform(*slice_mm))
    bottom, top = -258 + rng.uniform(-14, 2), rng.uniform(145, 185)
    slices = max(1, round((top - bottom) * scale / step))
    shape = (rows, cols, slices)
    spacing = (float(pixel), float(pixel), step)

    grid = _grid(shape, spacing, bottom * scale)
    coordinates = _to_template(grid, shape, spacing, scale, rng)
    tissue = ct_tissues(rng) if modality == "ct" else mr_tissues(rng)
    canvas = _Canvas(coordinates, edge_mm=1.1 * float(pixel) / scale, background=tissue["air"])
    lumps = _smooth_noise(shape, spacing, 26.0, rng)
    inner, outer = _paint_trunk(canvas, tissue, fat_mm, lumps, rng)
    _paint_skeleton(canvas, tissue, inner, lumps)
    for organ in _PAINT_ORDER:
        _paint_organ(canvas, organ, tissue, inner, lumps, rng)
    if modality == "ct":
        _paint_table(canvas, grid, outer, tissue)
    image = _acquire(canvas.image, modality, shape, spacing, rng)
    return Rendered(image=image, label=canvas.label, spacing_mm=spacing)


def _grid(shape: tuple[int, ...], spacing: tuple[float, ...], bottom_mm: float) -> tuple[Array, Array, Array]:
    """Return voxel centres (l, p, s) in mm, broadcastable to [H, W, D]."""
    pos, lft = [
        ((np.arange(n) - (n - 1) / 2) * d).astype(np.float32) for n, d in zip(shape[:2], spacing[:2], strict=True)
    ]
    sup = (bottom_mm + np.arange(shape[2]) * spacing[2]).astype(np.float32)
    return lft[None, :, None], pos[:, None, None], sup[None, None, :]


def _to_template(
    grid: tuple[Array, Array, Array],
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    scale: float,
    rng: np.random.Generator,
) -> tuple[Array, Array, Array]:
    """Return the template coordinates of each voxel: shifted, rotated, scaled and smoothly warped."""
    # float32 throughout: one float64 number would double time and memory of everything below
    shift = rng.uniform((-16, -12, -8), (16, 12, 8)).astype(np.float32)
    stretch = scale * rng.uniform((0.95, 0.93, 0.97), (1.05, 1.07, 1.03))
    turn = anatomy.rotation((rng.uniform(-4, 4), rng.uniform(-4, 4), rng.uniform(-9, 9)))
    centred = [g - s for g, s in zip(grid, shift, strict=True)]
    matrix = (turn / stretch[:, None]).astype(np.float32)
    turned = [sum(m * c for m, c in zip(row, centred, strict=True)) for row in matrix]
    lft, pos, sup = [t + rng.uniform(4, 7) * _smooth_noise(shape, spacing, 95.0, rng) for t in turned]
    return lft, pos, sup


def _paint_trunk(
    canvas: _Canvas, tissue: dict[str, float], fat_mm: float, lumps: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Paint fat, wall, lungs, heart and bowel; return the distances of the inner wall and of the skin."""
    lft, pos, sup = canvas.lps
    everywhere = (slice(None), slice(None), slice(None))
    outer, inner = anatomy.body_distance(lft, pos, sup, fat_mm)
    canvas.paint(everywhere, outer, tissue["muscle"])  # skin
    canvas.paint(everywhere, outer + 3.0, tissue["fat"])
    canvas.paint(everywhere, inner, tissue["muscle"])
    above = anatomy.diaphragm_height(lft, pos) - sup  # negative in the chest
    canvas.paint(everywhere, inner + 11.0, tissue["fat"])
    cavity = anatomy.pelvic_cavity(lft, pos, sup)
    canvas.paint(everywhere, np.maximum(np.maximum(inner + 11.0, sup + 105.0), -cavity), tissue["muscle"])
    # loops of small bowel fill the front of the belly
    loops = np.maximum(np.maximum(inner + 16, pos - 22 - 0.3 * np.abs(lft)), np.maximum(sup - 12, -165 - sup))
    canvas.paint(everywhere, np.maximum(loops, -9.0 * (lumps + 0.35)), tissue["bowel"])
    canvas.paint(everywhere, np.maximum(loops, -9.0 * (lumps - 1.2)), tissue["bowel content"])
    _paint_parts(canvas, anatomy.large_bowel(), tissue["bowel"], lumps, 3.0)
    _paint_parts(canvas, anatomy.large_bowel(), tissue["stool"], lumps, 3.0, shrink=4.0)
    _paint_parts(canvas, anatomy.muscles(), tissue["muscle"], lumps, 1.5, limit=inner + 2)
    mediastinum = 26 + 6 * lumps - np.hypot(lft - 4, 0.75 * (pos - 18))
    canvas.paint(everywhere, np.maximum(np.maximum(above, inner + 9.0), mediastinum), tissue["lung"])
    _paint_parts(canvas, [anatomy.heart()], tissue["heart"], lumps, 2.0, limit=above - 2)
    canvas.image += np.where(canvas.image > tissue["lung"] + 60, np.float32(0.5 * tissue["texture"]), 0) * lumps
    return inner, outer


def _paint_parts(
    canvas: _Canvas,
    parts: Sequence[Shape],
    value: float,
    lumps: Array,
    bump_mm: float,
    *,
    shrink: float = 0.0,
    limit: Array | None = None,
) -> None:
    """Paint shapes whose surface is roughened by `bump_mm`, inside `limit` if given."""
    for part in parts:
        box = canvas.box(part, 6.0)
        if box is None:
            continue
        lft, pos, sup = (c[box] for c in canvas.lps)
        distance = part.distance(lft, pos, sup) + bump_mm * lumps[box] + shrink
        canvas.paint(box, distance if limit is None else np.maximum(distance, limit[box]), value)


def _paint_skeleton(canvas: _Canvas, tissue: dict[str, float], inner: Array, lumps: Array) -> None:
    sup = canvas.lps[2]
    chest = canvas.box(Shape(low=(-400, -400, -30), high=(400, 400, 400), distance=anatomy.spine().distance), 0.0)
    if chest is not None:
        lft, pos, height = (c[chest] for c in canvas.lps)
        ribs = anatomy.ribs_distance(lft, pos, height, inner[chest])
        canvas.paint(chest, ribs, tissue["cortex"])
        canvas.paint(chest, ribs + 2.2, tissue["marrow"])
    _paint_parts(canvas, anatomy.pelvis(), tissue["cortex"], lumps, 0.0)
    _paint_parts(canvas, anatomy.pelvis(), tissue["marrow"], lumps, 0.0, shrink=2.5)
    for shape, discs in ((anatomy.vertebral_arches(), False), (anatomy.spine(), True)):
        box = canvas.box(shape, 4.0)
        if box is None:
            continue
        distance = shape.distance(*(c[box] for c in canvas.lps))
        if discs:
            canvas.paint(box, distance, tissue["disc"])
        level = np.mod(sup[box] + 8.0, 34.0)  # vertebrae recur every 34 mm
        distance = np.maximum(distance, 4.0 - np.minimum(level, 34.0 - level))
        canvas.paint(box, distance, tissue["cortex"])
        canvas.paint(box, distance + 2.5, tissue["marrow"])
    _paint_parts(canvas, [anatomy.spinal_canal()], tissue["canal"], lumps, 0.0)


def _paint_organ(
    canvas: _Canvas, organ: int, tissue: dict[str, float], inner: Array, lumps: Array, rng: np.random.Generator
) -> None:
    """Paint one labelled organ, moved and scaled independently, with its inner structure."""
    shape = anatomy.organs()[organ]
    spread, size_range = (1.5, (0.96, 1.05)) if organ in _STEADY else (5.0, _SIZE_RANGE.get(organ, (0.92, 1.08)))
    shift = rng.normal(0, spread, 3).clip(-2 * spread, 2 * spread).astype(np.float32)
    size = rng.uniform(*size_range)
    bump = 0.5 if organ in _STEADY else 1.0 if organ in _SMALL else 2.0
    phase = tuple(int(rng.integers(0, n)) for n in lumps.shape[:2])
    offset = float(rng.normal(0, tissue["spread"]))
    box = canvas.box(shape, 14.0)
    if box is None:
        return
    centre = (np.asarray(shape.low, np.float32) + np.asarray(shape.high, np.float32)) / 2
    local = [
        ((c[box] - m - d) / size + m).astype(np.float32) for c, m, d in zip(canvas.lps, centre, shift, strict=True)
    ]
    surface = np.roll(lumps, phase, (0, 1))[box]
    distance = shape.distance(local[0], local[1], local[2]) * size + bump * surface
    distance = np.maximum(distance, inner[box] + 10.0)
    if organ in _UNDER_DIAPHRAGM:
        lft, pos, sup = (c[box] for c in canvas.lps)
        distance = np.maximum(distance, sup - anatomy.diaphragm_height(lft, pos) + 4.0)
    value = tissue[f"organ {organ}"] + offset
    canvas.paint(box, distance, value)
    if organ in (2, 3):  # medulla
        canvas.paint(box, distance + 9.0 + 3.0 * surface, tissue["medulla"] + offset)
    if organ == 6:
        veins = anatomy.liver_veins().distance(local[0], local[1], local[2])
        canvas.paint(box, np.maximum(distance + 2.0, veins), tissue["liver vein"])
    if organ in (7, 13):  # wall, content, and gas that rises to the front
        canvas.paint(box, distance + 4.0, tissue["bowel content"])
        if organ == 7:
            level = float(rng.uniform(-58, -25))
            canvas.paint(box, np.maximum(distance + 4.0, local[1] - level), tissue["gas"])
    canvas.label[box][distance < 0] = organ


def _paint_table(canvas: _Canvas, grid: tuple[Array, Array, Array], outer: Array, tissue: dict[str, float]) -> None:
    """Paint the couch: a thin curved shell below the back, filled with foam."""
    rows_with_body = np.flatnonzero((outer < 0).any(axis=(1, 2)))
    back = float(grid[1][rows_with_body[-1], 0, 0])
    depth = np.broadcast_to(grid[1] - back - 8.0 + grid[0] ** 2 / 1400.0, outer.shape)
    everywhere = (slice(None), slice(None), slice(None))
    side = np.abs(grid[0]) - 205.0
    outside = np.maximum(3.0 - outer, side)
    canvas.paint(everywhere, np.maximum(np.abs(depth - 9.0) - 9.0, outside), tissue["table foam"])
    canvas.paint(everywhere, np.maximum(np.abs(np.abs(depth - 9.0) - 9.0) - 1.8, outside), tissue["table"])


def _acquire(
    image: Array,
    modality: Modality,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    rng: np.random.Generator,
) -> npt.NDArray[np.int16]:
    """Simulate the scanner: point spread, slice profile, noise, and coil shading in MR."""
    image = gaussian_filter1d(gaussian_filter1d(image, 0.45, axis=0), 0.45, axis=1)
    if shape[2] > 1:
        image = convolve1d(image, np.array([0.12, 0.76, 0.12], np.float32), axis=2, mode="nearest")
    noise = rng.standard_normal(shape, dtype=np.float32)
    if modality == "ct":
        noise = gaussian_filter1d(gaussian_filter1d(noise, 0.5, axis=0), 0.5, axis=1)
        image += noise * (rng.uniform(10, 20) / float(noise.std()))
        return np.clip(np.rint(image), -1024, 3071).astype(np.int16)
    shading = np.exp(rng.uniform(0.12, 0.25) * _smooth_noise(shape, spacing, 170.0, rng))
    sigma = float(rng.uniform(0.025, 0.05)) * float(np.percentile(image[::4, ::4], 95))
    rician = np.hypot(image * shading + sigma * noise, sigma * rng.standard_normal(shape, dtype=np.float32))
    return np.clip(np.rint(rician), 0, 4095).astype(np.int16)


def _smooth_noise(
    shape: tuple[int, ...], spacing: tuple[float, ...], scale_mm: float, rng: np.random.Generator
) -> Array:
    """Draw noise of unit variance whose features are about `scale_mm` wide."""
    extent = [n * d for n, d in zip(shape, spacing, strict=True)]
    coarse = rng.standard_normal([max(2, round(2 * e / scale_mm) + 1) for e in extent], dtype=np.float32)
    for axis in range(3):
        coarse = gaussian_filter1d(coarse, 0.8, axis=axis, mode="reflect")
    fine = torch.nn.functional.interpolate(
        torch.from_numpy(coarse)[None, None], size=list(shape), mode="trilinear", align_corners=True
    )
    noise: Array = fine[0, 0].numpy() / float(coarse.std())
    return noise
