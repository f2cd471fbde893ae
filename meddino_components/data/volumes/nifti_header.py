"""Read and check the header of a NIfTI file as stored: sizes, start of the voxels, scaling and grid."""

from __future__ import annotations

import gzip
import math
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.openers import ImageOpener
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from ...errors import InputError
from .grid_checks import (
    FloatArray,
    VolumeHeader,
    channel_shape,
    check_affine,
    grid_excess_mm,
    plain,
    spatial_shape,
)
from .size_limits import check_claimed_size, check_file_ends, check_gzip_ends, check_voxel_count

_FIRST_VOXEL = {b"n+1": 352, b"n+2": 544}  # size of the header and the four bytes that announce extensions
_PAIR_MAGIC = (b"ni1", b"ni2")


def read_nifti_header(
    path: Path, *, spacing_mm: Sequence[float] | None = None, is_scan: bool = True, n_channels: int | None = None
) -> VolumeHeader:
    """Read and check the grid of a NIfTI file, see `file_checks.read_header`.

    Raises:
        InputError: the file is not NIfTI, or would be misread.
    """
    raw = _raw_header(path)
    dtype = raw.get_data_dtype()
    if dtype.fields is not None or dtype.kind == "c":
        raise InputError(
            f"{path}: voxels are of type {raw.get_value_label('datatype')}; expected one number each. "
            "RGB pictures of a scan cannot be used: export the scan itself."
        )
    stored = raw.get_data_shape()
    shape = spatial_shape(stored, path) if n_channels is None else channel_shape(stored, n_channels, path)
    _check_data(raw, math.prod(shape) * (n_channels or 1), path, is_scan=is_scan)
    _check_scaling(raw, path)
    _state_spacing(raw, spacing_mm, path)
    return VolumeHeader(shape=shape, affine=_affine(raw, shape, path))


def _raw_header(path: Path) -> Any:
    """Return the header as stored: nibabel's images replace scaling and spacing that they consider invalid."""
    try:
        with ImageOpener(str(path), "rb") as file:
            nifti2 = file.read(4) in ((540).to_bytes(4, "little"), (540).to_bytes(4, "big"))
            file.seek(0)
            header = (nib.Nifti2Header if nifti2 else nib.Nifti1Header).from_fileobj(file, check=False)
            magic = bytes(header["magic"].tobytes()[:3])
            if magic in _PAIR_MAGIC:
                raise InputError(
                    f"{path}: this is the header of a pair of files (.hdr and .img), and the voxels are in the other "
                    f"file. Convert "
                    "the pair to one .nii.gz."
                )
            if magic not in _FIRST_VOXEL:
                raise InputError(f"{path}: not a NIfTI file (no magic number). Check what kind of file it is.")
            header.get_data_dtype()
            header.get_data_shape()
            return header
    except (OSError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: the compressed data is truncated or damaged ({error}). Copy it again.") from error
    except InputError:
        raise
    except (HeaderDataError, WrapStructError, ValueError, KeyError, OverflowError, MemoryError) as error:
        raise InputError(f"{path}: the NIfTI header cannot be read ({error}). Export the image again.") from error


def _check_data(raw: Any, n_voxels: int, path: Path, *, is_scan: bool) -> None:
    """Check that the voxels start after the header and end at the end of the file."""
    claimed = n_voxels * raw.get_data_dtype().itemsize
    first, offset = _FIRST_VOXEL[bytes(raw["magic"].tobytes()[:3])], float(raw["vox_offset"])
    stored, compressed = path.stat().st_size, path.name.lower().endswith(".gz")
    check_claimed_size(path, claimed, stored_bytes=stored, compressed=compressed, is_scan=is_scan)
    check_voxel_count(path, n_voxels)
    if not (math.isfinite(offset) and offset == int(offset) and offset >= first):
        raise InputError(
            f"{path}: vox_offset is {offset:g}, so the header itself would be read as voxels; expected {first} or "
            f"more in a .nii file. Export the image again, or set vox_offset to {first} if the voxels start there."
        )
    end = int(offset) + claimed
    check_claimed_size(path, end, stored_bytes=stored, compressed=compressed, is_scan=False)
    (check_gzip_ends if compressed else check_file_ends)(path, end)


def _check_scaling(raw: Any, path: Path) -> None:
    slope, inter = float(raw["scl_slope"]), float(raw["scl_inter"])
    if not (math.isfinite(slope) and (slope == 0 or math.isfinite(inter))):
        raise InputError(
            f"{path}: scl_slope is {slope} and scl_inter {inter}, so the intensities are unknown. "
            "Set them (1 and 0 if the voxels are stored unscaled)."
        )
    if int(raw["xyzt_units"]) & 7 in (1, 3):
        raise InputError(f"{path}: the header gives lengths in metres or micrometres; expected mm. Convert the header.")


def _state_spacing(raw: Any, spacing_mm: Sequence[float] | None, path: Path) -> None:
    """Use the user's spacing if the header has none, and the handedness that the standard implies."""
    axes = slice(1, 1 + min(int(raw["dim"][0]), 3))
    found = np.asarray(raw["pixdim"][axes], dtype=float)
    if not (np.isfinite(found).all() and (found > 0).all()):
        if spacing_mm is None:
            raise InputError(
                f"{path}: voxel spacing (pixdim) is {plain(found)} mm; expected positive numbers. Set it in the "
                f"header, or set `spacing_mm`."
            )
        raw["pixdim"][axes] = list(spacing_mm)[: len(found)]
    elif spacing_mm is not None and not np.allclose(found, list(spacing_mm)[: len(found)], rtol=0.01):
        raise contradicting_spacing(path, found, spacing_mm)
    if raw["pixdim"][0] == 0:  # "if pixdim[0]=0, then take qfac=1", nifti1.h
        raw["pixdim"][0] = 1


def contradicting_spacing(path: Path, found: Sequence[float] | FloatArray, stated: Sequence[float]) -> InputError:
    """Return the error for a stated spacing that contradicts the header's own."""
    return InputError(
        f"{path}: spacing_mm is {plain(stated)}, but the header says {plain(found)} mm. It is only for files without "
        f"a spacing: omit it, or correct the header."
    )


def _affine(raw: Any, shape: tuple[int, int, int], path: Path) -> FloatArray:
    """Return sform if its code is set, else qform, else the spacing alone; sform and qform must agree."""
    sform = np.asarray(raw.get_sform(), dtype=float) if int(raw["sform_code"]) > 0 else None
    try:
        qform = np.asarray(raw.get_qform(), dtype=float) if int(raw["qform_code"]) > 0 else None
    except (ValueError, HeaderDataError) as error:
        raise InputError(
            f"{path}: the qform cannot be read ({error}). Set it from the sform, or its code to 0."
        ) from error
    if sform is None and qform is None:
        warnings.warn(
            f"{path}: neither sform nor qform is set; left and right follow from the spacing alone and may be "
            f"swapped. Set one of them if the orientation is known.",
            stacklevel=2,
        )
    for candidate in (sform, qform):
        if candidate is not None:
            check_affine(candidate, path)
    if sform is not None and qform is not None and (distance := grid_excess_mm(sform, qform, shape)):
        raise InputError(
            f"{path}: sform and qform disagree by up to {distance:.3f} mm, so the position is ambiguous. "
            "Decide which is right and set the other from it (nibabel: `image.set_qform(image.get_sform())`)."
        )
    affine = sform if sform is not None else qform if qform is not None else np.asarray(raw.get_base_affine(), float)
    check_affine(affine, path)
    return affine
