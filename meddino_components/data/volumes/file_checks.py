"""Check an image file before its voxels are read: size, grid, and whether the header matches the data.

Memory is allocated by the header, which may claim any number of voxels. The claim is therefore compared with the file's
size first. Every grid that would be silently misread (no usable spacing, shear, contradictory transforms) is refused
here, with a way to fix it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from .grid_checks import VolumeHeader
from .itk_header import ITK_SUFFIXES, read_itk_header
from .nifti_header import read_nifti_header
from .sparse_csv import is_sparse_csv, read_sparse_header

NIFTI_SUFFIXES = (".nii", ".nii.gz")
IMAGE_SUFFIXES = (*NIFTI_SUFFIXES, *ITK_SUFFIXES)

_LFS_PREFIX = b"version https://git-lfs"


def is_nifti(path: Path) -> bool:
    """Return whether a file's name is that of a NIfTI file, in any case."""
    return path.name.lower().endswith(NIFTI_SUFFIXES)


def check_is_image_file(path: Path) -> None:
    """Refuse files that are not images, by their first bytes.

    Raises:
        InputError: the file does not exist, is empty, is a Git LFS pointer, or is a `.gz` but not gzip data.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file. Check the path and the data list.")
    with open(path, "rb") as file:
        head = file.read(64)
    if not head:
        raise InputError(f"{path}: the file has zero bytes; expected an image. Copy or download it again.")
    if head.startswith(_LFS_PREFIX):
        raise InputError(f"{path}: this is a Git LFS pointer, not the image. Run `git lfs pull` in its repository.")
    if path.name.lower().endswith(".gz") and head[:2] != b"\x1f\x8b":
        raise InputError(f"{path}: named .gz but not gzip data. If it is not compressed, rename it without .gz.")


def read_header(
    path: str | Path,
    *,
    spacing_mm: Sequence[float] | None = None,
    is_scan: bool = True,
    n_channels: int | None = None,
) -> VolumeHeader:
    """Read and check the grid of a NIfTI, NRRD, MetaImage or sparse CSV file, without reading its voxels.

    Args:
        path: path of the file.
        spacing_mm: spacing of the three stored axes in mm, for a file whose header has none.
        is_scan: whether the file is a scan, not a label map, see `check_claimed_size`.
        n_channels: number of channels along the fourth axis of a NIfTI file; None for a file with one volume.

    Raises:
        InputError: the file cannot be read, has another number of channels, its grid is unusable or ambiguous, or
            ``spacing_mm`` contradicts it.
    """
    path = Path(path)
    check_is_image_file(path)
    if is_nifti(path):
        return read_nifti_header(path, spacing_mm=spacing_mm, is_scan=is_scan, n_channels=n_channels)
    if n_channels is not None:
        raise InputError(f"{path}: several channels in one file are read from NIfTI only. Convert the file to .nii.gz.")
    if path.name.lower().endswith(ITK_SUFFIXES):
        return read_itk_header(path, spacing_mm=spacing_mm, is_scan=is_scan)
    if is_sparse_csv(path):
        return read_sparse_header(path)
    pair = " Convert a pair of .hdr and .img to one .nii.gz." if path.suffix.lower() in (".hdr", ".img") else ""
    raise InputError(
        f"{path}: unknown kind of file. Expected one of {', '.join(IMAGE_SUFFIXES)} "
        f"or a folder with one DICOM series.{pair}"
    )


def parse_spacing(spacing_mm: Sequence[float] | None) -> tuple[float, float, float] | None:
    """Parse a spacing that a user states.

    Raises:
        InputError: the value is not three positive numbers.
    """
    if spacing_mm is None:
        return None
    try:
        x, y, z = (float(number) for number in spacing_mm)
    except (TypeError, ValueError):
        x = y = z = math.nan
    if not all(math.isfinite(number) and number > 0 for number in (x, y, z)):
        raise InputError(f"spacing_mm is {spacing_mm!r}; expected three positive numbers of mm, such as [0.8, 0.8, 5]")
    return x, y, z


def stem_of(path: Path) -> str:
    """Return the name of a file without the suffix of its kind, or the name of a DICOM folder.

    Raises:
        InputError: the suffix is not one of a supported kind.
    """
    if path.is_dir():
        return path.name
    suffix = next((s for s in (".nii.gz", *IMAGE_SUFFIXES) if path.name.lower().endswith(s)), None)
    if suffix is None:
        raise InputError(f"{path}: unknown kind of file. Expected one ending in {', '.join(IMAGE_SUFFIXES)}")
    return path.name[: -len(suffix)]


def is_image(path: Path) -> bool:
    """Return whether the name has the suffix of a supported kind."""
    return path.name.lower().endswith(IMAGE_SUFFIXES)
