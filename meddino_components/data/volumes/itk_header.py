"""Read the header of an NRRD or MetaImage file with ITK, and check it against the text."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.utils import optional_import

from ...errors import InputError
from .grid_checks import LPS_TO_RAS, FloatArray, VolumeHeader, check_affine, spatial_shape
from .nifti_header import contradicting_spacing
from .size_limits import (
    check_claimed_size,
    check_file_ends,
    check_gzip_ends,
    check_nothing_follows,
    check_voxel_count,
    check_zlib_ends,
)
from .text_headers import METAIMAGE_SUFFIXES, NRRD_SUFFIXES, TextHeader, read_metaimage_text, read_nrrd_text

itk, _ = optional_import("itk")  # not needed for NIfTI

ITK_SUFFIXES = NRRD_SUFFIXES + METAIMAGE_SUFFIXES


def read_itk_header(path: Path, *, spacing_mm: Sequence[float] | None = None, is_scan: bool = True) -> VolumeHeader:
    """Read and check the grid of an NRRD or MetaImage file, see `file_checks.read_header`.

    Raises:
        InputError: the file cannot be read, or would be misread.
    """
    text = (read_nrrd_text if path.suffix.lower() in NRRD_SUFFIXES else read_metaimage_text)(path)
    io = image_io(path)
    try:
        io.SetFileName(str(path))
        io.ReadImageInformation()
        voxel_bytes = io.GetComponentSize()
    except (RuntimeError, MemoryError) as error:
        raise InputError(f"{path}: the header cannot be read ({last_line(error)}). Export the image again.") from error
    n_axes = io.GetNumberOfDimensions()
    if io.GetNumberOfComponents() != 1 or n_axes != 3:
        raise InputError(
            f"{path}: {n_axes} axes with {io.GetNumberOfComponents()} components per voxel; expected one 3D volume of "
            f"single numbers. Split channels or time points into one file each."
        )
    shape = spatial_shape(tuple(io.GetDimensions(i) for i in range(3)), path)
    _check_data(text, math.prod(shape), voxel_bytes, path, is_scan=is_scan)
    affine = np.eye(4)
    direction = np.stack([np.asarray(io.GetDirection(i), float) for i in range(3)], axis=1)
    affine[:3, :3] = direction * _spacing(text, io, spacing_mm, path)
    affine[:3, 3] = [io.GetOrigin(i) for i in range(3)]
    affine = LPS_TO_RAS @ affine
    if not text.oriented:
        warnings.warn(
            f"{path}: the header does not state the orientation of the axes; left and right follow from their order "
            f"alone and may be swapped. Set space and space directions if the orientation is known.",
            stacklevel=2,
        )
    check_affine(affine, path)
    return VolumeHeader(shape=shape, affine=affine)


def image_io(path: Path) -> Any:
    """Return ITK's reader for a file of this name; its factory recognises some suffixes only in lower case."""
    return (itk.NrrdImageIO if path.suffix.lower() in NRRD_SUFFIXES else itk.MetaImageIO).New()


def last_line(error: BaseException) -> str:
    """Return the last line of a message, where ITK states its reason, below the position in its sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _check_data(text: TextHeader, n_voxels: int, voxel_bytes: int, path: Path, *, is_scan: bool) -> None:
    """Check that the files contain exactly the voxels that the header describes."""
    files, start, claimed = text.data_files or (path,), text.data_start, n_voxels * voxel_bytes
    stored = sum(file.stat().st_size for file in files) - (start or 0)
    if text.packing != "other":  # text has at least one character per voxel, and bzip2 has no highest ratio
        check_claimed_size(path, claimed, stored_bytes=stored, compressed=text.packing != "none", is_scan=is_scan)
    check_voxel_count(path, n_voxels)
    if text.packing == "other" or start is None:
        return
    if len(files) > 1:
        if text.packing == "none":
            check_nothing_follows(path, expected_bytes=claimed, stored_bytes=stored, tail=b"\1")
    elif text.packing == "none":
        check_file_ends(files[0], start + claimed)
    elif text.packing == "zlib" and text.packed_bytes != stored:
        raise InputError(
            f"{path}: CompressedDataSize is {text.packed_bytes}, but the file has {stored} bytes of voxels; ITK would "
            f"misread them. Copy the file again, or correct the number."
        )
    else:
        (check_gzip_ends if text.packing == "gzip" else check_zlib_ends)(files[0], claimed, start=start)


def _spacing(text: TextHeader, io: Any, stated: Sequence[float] | None, path: Path) -> FloatArray:
    if text.unit is not None:
        raise InputError(f"{path}: the header gives lengths in '{text.unit}'; expected mm. Convert the header.")
    if text.spacing is None:
        if stated is None:
            raise InputError(
                f"{path}: the header states no spacing ({text.found}); expected three positive numbers in mm. Set it "
                f"in the header, or set `spacing_mm` if you know it."
            )
        return np.asarray(stated, float)
    found = np.array([io.GetSpacing(i) for i in range(3)], dtype=float)
    if len(text.spacing) != 3 or not np.allclose(found, text.spacing, rtol=1e-4):
        raise InputError(f"{path}: the spacing in the header cannot be read ({text.found}). Write it again.")
    if stated is not None and not np.allclose(found, stated, rtol=0.01):
        raise contradicting_spacing(path, found, stated)
    return found
