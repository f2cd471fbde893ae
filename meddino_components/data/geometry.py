"""Volumes on a known grid: reading, comparing grids, resampling in plane.

H rows, W columns, D slices, of axial ones towards posterior, towards the left and upwards (see `slice_planes`);
C channels; N slices in a batch; X, Y, Z axes as stored in the file.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import ensure_tuple
from torch.nn.functional import pad

from ..errors import InputError
from .cases import check_problem
from .dicom import GantryTilt, UnevenSlices, read_series
from .file_checks import parse_spacing
from .grid_checks import GRID_TOLERANCE, check_affine, grid_excess_mm, plain, shortest_edge_mm
from .modality import agreed_modality
from .resampling import MODES, ResampleMode, resize_slices
from .slice_planes import AXIAL
from .volume_file import read_volume_file
from .volume_in_memory import volume_in_memory
from .voxel_checks import clean_image, clean_label

CANONICAL_AXCODES = AXIAL

_CHUNK_PIXELS = 2**24  # of input a chunk of slices may hold while being resampled


class LoadVolumed(MapTransform):
    """Read volumes from files into `MetaTensor` [1, X, Y, Z], refusing what would be silently wrong.

    NIfTI goes through nibabel; NRRD, MetaImage and folders with a DICOM series through ITK. Images become float32,
    labels uint8. The orientation is left as stored: `monai.transforms.Orientationd` follows with
    `axcodes` of `slice_planes`, and remembers the original grid for the way back.

    Of a DICOM series, the case's "series_uid" says which is meant where a folder holds several, and "modality" must
    not contradict its tag; a case without it gets it from the tag. ``meta["dicom_files"]`` holds the paths of the
    slices in the order of Z, ``meta["dicom_series"]`` their UID, ``meta["dicom_resampled"]`` whether the grid is not
    theirs.

    An image that is in memory already, as MONAI Deploy hands it over, passes the same checks.

    Args:
        keys: items of the case that hold paths, or images in memory, see `volume_in_memory`.
        label_keys: those among `keys` that are label maps.
        gantry_tilt: "refuse" DICOM series with a gantry tilt or "resample" them, see `dicom.read_series`.
        uneven_slices: "refuse" DICOM series whose slices lie at uneven distances, or "even" them out, see there.
        spacing_mm: of the three stored axes, for NIfTI, NRRD and MetaImage files whose header has none. A header that
            says otherwise is refused.
        allow_missing_keys: skip keys that the case lacks.

    Raises:
        InputError: see `file_checks` (the file and its grid), `dicom` and `voxel_checks` (its values); a modality that
            the DICOM tag contradicts, or that nothing states.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        label_keys: KeysCollection = ("label",),
        gantry_tilt: GantryTilt = "refuse",
        uneven_slices: UnevenSlices = "refuse",
        spacing_mm: Sequence[float] | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.label_keys = ensure_tuple(label_keys)
        self.gantry_tilt: GantryTilt = gantry_tilt
        self.uneven_slices: UnevenSlices = uneven_slices
        self.spacing_mm = parse_spacing(spacing_mm)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        check_problem(case)
        for key in self.key_iterator(case):
            is_label = key in self.label_keys
            if not isinstance(case[key], str | Path):
                what = f"case {case.get('case_id', '?')}: '{key}'"
                array, affine, name = volume_in_memory(case[key], what)
                case[key] = _as_meta_tensor(array, affine, name, is_label=is_label)
                continue
            path = Path(case[key]).expanduser()
            if path.is_dir():
                case[key] = self._load_series(path, case, is_label=is_label)
            else:
                array, affine = read_volume_file(path, spacing_mm=self.spacing_mm, is_label=is_label)
                case[key] = _as_meta_tensor(array, affine, str(path), is_label=is_label)
        return case

    def _load_series(self, path: Path, case: dict[Hashable, Any], *, is_label: bool) -> MetaTensor:
        """Read the series of a folder; an image's case gets the modality that its tag states."""
        volume = read_series(
            path,
            series_uid=case.get("series_uid"),
            gantry_tilt=self.gantry_tilt,
            uneven_slices=self.uneven_slices,
        )
        if not is_label:
            case["modality"] = agreed_modality(case.get("modality"), volume.series, path)
        dicom = {
            "dicom_files": volume.series.files,
            "dicom_series": volume.series.uid,
            "dicom_resampled": volume.resampled,
        }
        return _as_meta_tensor(volume.voxels, volume.affine, str(path), is_label=is_label, dicom=dicom)


def _as_meta_tensor(
    array: np.ndarray[Any, Any],
    affine: np.ndarray[Any, Any],
    name: str,
    *,
    is_label: bool,
    dicom: dict[str, Any] | None = None,
) -> MetaTensor:
    """[1, X, Y, Z] with checked voxels on a checked grid, and the little of a header that later steps use."""
    check_affine(affine, name)
    voxels = clean_label(array, name) if is_label else clean_image(array, name)
    # the rest of a header is stale after the first transform and may name people
    meta = {
        "spatial_shape": np.asarray(array.shape),
        "original_affine": np.array(affine),
        "original_channel_dim": 0,
        "space": "RAS",
        "filename_or_obj": name,
        **(dicom or {}),
    }
    tensor = torch.from_numpy(voxels if voxels.flags.writeable else voxels.copy(order="K"))
    return MetaTensor(tensor[None], affine=torch.as_tensor(affine, dtype=torch.float64), meta=meta)


class CheckSameGridd(MapTransform):
    """Refuse a case whose volumes do not lie on one grid.

    Args:
        keys: `MetaTensor` [C, X, Y, Z] items to compare with the first of them.
        tolerance: how far corner voxels may lie apart, as a share of the shortest voxel edge, see `grid_excess_mm`.
        allow_missing_keys: skip keys that the case lacks.

    Raises:
        InputError: shapes differ, or a corner voxel lies elsewhere.
    """

    def __init__(
        self,
        keys: KeysCollection = ("image", "label"),
        *,
        tolerance: float = GRID_TOLERANCE,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.tolerance = tolerance

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        present = list(self.key_iterator(case))
        for key in present[1:]:
            self._compare(case[present[0]], case[key])
        return case

    def _compare(self, reference: MetaTensor, other: MetaTensor) -> None:
        names = [str(x.meta.get("filename_or_obj", "volume")) for x in (reference, other)]
        shapes = [tuple(x.shape[1:]) for x in (reference, other)]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"{names[1]}: shape {plain(shapes[1])}, but {names[0]} has {plain(shapes[0])}; expected one grid. "
                "Check that they belong together, or resample one onto the other (a label by nearest neighbour)."
            )
        affines = [np.asarray(x.affine, dtype=float) for x in (reference, other)]
        if distance := grid_excess_mm(affines[0], affines[1], shapes[0], self.tolerance):
            raise InputError(
                f"{names[1]}: its grid lies up to {distance:.4g} mm from that of {names[0]}; expected at most "
                f"{self.tolerance * shortest_edge_mm(affines[0]):.4g} mm. Check that they belong together, or resample "
                "one onto the other."
            )


def in_plane_spacing(affine: torch.Tensor | np.ndarray[Any, Any]) -> tuple[float, float]:
    """Spacing in mm (rows apart, columns apart) of a volume [H, W, D] with this affine [4, 4]."""
    matrix = np.asarray(affine, dtype=float)
    lengths = np.linalg.norm(matrix[:3, :2], axis=0)
    return float(lengths[0]), float(lengths[1])


def fit_to_square(
    slices: torch.Tensor, *, spacing: tuple[float, float], size_px: int, mode: ResampleMode = "bilinear"
) -> torch.Tensor:
    """Bring slices to a square that keeps their proportions in mm.

    The longer side becomes ``size_px``; the other is filled up on both sides, images with the lowest intensity of the
    slices (air), labels with 0.

    Args:
        slices: [N, C, H, W].
        spacing: mm from row to row and from column to column.
        size_px: rows and columns of the result.
        mode: "bilinear" for images, "nearest" for labels.
    """
    rows, columns = _place_in_square(slices.shape[-2:], spacing, size_px)
    resized = resize_slices(slices, (rows.stop - rows.start, columns.stop - columns.start), mode)
    edges = (columns.start, size_px - columns.stop, rows.start, size_px - rows.stop)
    return pad(resized, edges, value=0.0 if mode == "nearest" else float(resized.min()))


def fit_from_square(scores: torch.Tensor, *, size: Sequence[int], spacing: tuple[float, float]) -> torch.Tensor:
    """Bring scores on the square of `fit_to_square` back to the slices' own grid, without what was filled up.

    Args:
        scores: [N, C, S, S].
        size: rows and columns of the slices before.
        spacing: mm from row to row and from column to column of those.

    Returns:
        [N, C, size[0], size[1]].
    """
    rows, columns = _place_in_square(size, spacing, scores.shape[-1])
    return resize_slices(scores[..., rows, columns], size, "bilinear")


def _place_in_square(size: Sequence[int], spacing: tuple[float, float], size_px: int) -> tuple[slice, slice]:
    """Rows and columns that slices of this size and spacing take of a square."""
    extent = [n * mm for n, mm in zip(size, spacing, strict=True)]
    lengths = [max(1, round(size_px * e / max(extent))) for e in extent]
    rows, columns = (slice((size_px - n) // 2, (size_px - n) // 2 + n) for n in lengths)
    return rows, columns


class ResampleInPlaned(MapTransform):
    """Resample each slice of `MetaTensor` [C, H, W, D] to an in-plane spacing; nothing happens across slices.

    The number of pixels is rounded and the extent of the image (outer pixel edges) kept exactly, so that the spacing
    of the result may differ from `pixdim` by less than one pixel over the image; the affine says what it is. Not
    invertible: `VolumeInferer` resamples on its own.

    Args:
        keys: volumes to resample.
        pixdim: wanted spacing in mm, one number or (rows, columns).
        mode: see `resize_slices`, one for all keys or one each.
        allow_missing_keys: skip keys that the case lacks.

    Raises:
        InputError: a spacing that is not positive, or another mode.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        pixdim: float | Sequence[float],
        mode: ResampleMode | Sequence[ResampleMode] = "bilinear",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        pair = [float(p) for p in ensure_tuple(pixdim)]
        self.pixdim = (pair[0], pair[-1])
        if len(pair) > 2 or not all(math.isfinite(p) and p > 0 for p in pair):
            raise InputError(f"pixdim is {pixdim}; expected one or two positive numbers (mm).")
        modes = ensure_tuple(mode)
        if unknown := [name for name in modes if name not in MODES]:
            raise InputError(f"resampling is {unknown[0]!r}; expected one of {', '.join(MODES)}.")
        self.modes = modes if len(modes) == len(self.keys) else modes * len(self.keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key, mode in self.key_iterator(case, self.modes):
            case[key] = self._resample(case[key], mode)
        return case

    def _resample(self, volume: MetaTensor, mode: ResampleMode) -> MetaTensor:
        shape = volume.shape
        spacing = in_plane_spacing(volume.affine)
        size = [max(1, round(n * s / p)) for n, s, p in zip(shape[1:3], spacing, self.pixdim, strict=True)]
        slices = volume.as_tensor().permute(3, 0, 1, 2)
        chunk = max(1, _CHUNK_PIXELS // (shape[0] * shape[1] * shape[2]))
        parts = [resize_slices(part, size, mode) for part in slices.split(chunk)]
        affine = volume.affine.clone()
        for axis in (0, 1):
            scale = shape[1 + axis] / size[axis]
            affine[:3, 3] += volume.affine[:3, axis] * (scale - 1) / 2  # centre of the first pixel
            affine[:3, axis] *= scale
        # slices stay contiguous in memory: they are what is read next
        resampled = torch.cat(parts).permute(1, 2, 3, 0)
        meta = {k: v for k, v in volume.meta.items() if k != "affine"}
        return MetaTensor(resampled, affine=affine, meta=meta, applied_operations=volume.applied_operations)
