"""What can be known about an image file before its voxels are read: size, grid, and whether the header is honest.

A header may claim any number of voxels; memory is allocated from it. So the claim is compared with the file's size
first, and every grid that would be silently misread (no usable spacing, shear, two transforms that contradict each
other) is refused here, in one place, with the way to mend it.
"""

from __future__ import annotations

import gzip
import itertools
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from monai.utils import optional_import
from nibabel.openers import ImageOpener
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from ..errors import InputError

itk, _ = optional_import("itk")  # NIfTI needs none

GRID_TOLERANCE_MM = 1e-3
SHEAR_TOLERANCE = 1e-3  # of the cosine between two axes
NIFTI_SUFFIXES = (".nii", ".nii.gz")
ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")

_MAX_DEFLATE_RATIO = 1100  # deflate cannot exceed 1032 : 1
_LFS_PREFIX = b"version https://git-lfs"
# nibabel rebuilds a rotation from three float32 numbers; near half turns that is good to about 1e-4 rad
_QUATERNION_PRECISION = 1e-4

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class VolumeHeader:
    """The grid of a volume, as its header states it.

    Attributes:
        shape: voxels along the three stored axes.
        affine: [4, 4], voxel indices to RAS millimetres.
    """

    shape: tuple[int, int, int]
    affine: FloatArray


def corner_distance_mm(a: FloatArray, b: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Distances in mm, [8], between where two affines put the corner voxels of a grid of `shape`."""
    corners = np.array(list(itertools.product(*[(0, n - 1) for n in shape[:3]], (1,))), dtype=float)
    return np.linalg.norm((corners @ (np.asarray(a, float) - np.asarray(b, float)).T)[:, :3], axis=1)


def check_affine(affine: FloatArray, path: str | Path) -> None:
    """Refuse an affine that is not a rotation times a positive spacing.

    Raises:
        InputError: entries that are not finite, an axis of length zero, linearly dependent axes, or shear.
    """
    matrix = np.asarray(affine, dtype=float)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise InputError(
            f"{path}: the affine has shape {matrix.shape} or holds NaN or infinite values; "
            "expected a finite 4 x 4 matrix. Export the image again or set its affine."
        )
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    if (spacing < 1e-6).any():
        raise InputError(
            f"{path}: voxel spacing is {tuple(spacing.round(6).tolist())} mm; expected three positive numbers. "
            "Set the spacing in the header."
        )
    cosines = (matrix[:3, :3] / spacing).T @ (matrix[:3, :3] / spacing)
    if abs(np.linalg.det(matrix[:3, :3] / spacing)) < SHEAR_TOLERANCE:
        raise InputError(f"{path}: the affine is singular (two axes point the same way). Repair the header's axes.")
    shear = np.abs(cosines - np.eye(3)).max()
    if shear > SHEAR_TOLERANCE:
        raise InputError(
            f"{path}: the axes are sheared (cosine {shear:.4f} between two of them, expected less than "
            f"{SHEAR_TOLERANCE}), as from gantry tilt. Resample the volume onto a rectangular grid first."
        )


def check_is_image_file(path: Path) -> None:
    """Refuse what is not an image at all, by its first bytes.

    Raises:
        InputError: no such file, zero bytes, a git-LFS pointer, or a `.gz` that is not gzip.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file. Check the path and the data list.")
    with open(path, "rb") as file:
        head = file.read(64)
    if not head:
        raise InputError(f"{path}: the file has zero bytes; expected an image. Copy or download it again.")
    if head.startswith(_LFS_PREFIX):
        raise InputError(f"{path}: this is a git-LFS pointer, not the image. Run `git lfs pull` where it came from.")
    if path.name.endswith(".gz") and head[:2] != b"\x1f\x8b":
        raise InputError(f"{path}: named .gz but not gzip data. If it is not compressed, rename it without .gz.")


def check_claimed_size(path: Path, claimed_bytes: int, *, compressed: bool, stored_bytes: int | None = None) -> None:
    """Refuse a header that claims more voxel bytes than the file can hold.

    Raises:
        InputError: more than the file's size, or than the highest ratio deflate reaches if `compressed`.
    """
    stored = path.stat().st_size if stored_bytes is None else stored_bytes
    possible = stored * _MAX_DEFLATE_RATIO if compressed else stored
    if claimed_bytes > possible:
        raise InputError(
            f"{path}: the header claims {claimed_bytes:,} bytes of voxels but the file has {stored:,} bytes. "
            "The file is truncated or its header damaged: copy or export it again."
        )


def read_header(path: str | Path) -> VolumeHeader:
    """Grid of a NIfTI, NRRD or MetaImage file, checked, without reading its voxels.

    Raises:
        InputError: the file cannot be read, or its grid is not one this project can be right about.
    """
    path = Path(path)
    check_is_image_file(path)
    if path.name.endswith(NIFTI_SUFFIXES):
        return _read_nifti_header(path)
    if path.name.lower().endswith(ITK_SUFFIXES):
        return _read_itk_header(path)
    raise InputError(
        f"{path}: unknown kind of file. Expected one of {', '.join(NIFTI_SUFFIXES + ITK_SUFFIXES)} "
        "or a folder that holds one DICOM series."
    )


def spatial_shape(shape: tuple[int, ...], path: Path) -> tuple[int, int, int]:
    """Three sizes; trailing singleton axes are dropped, a missing third one is added.

    Raises:
        InputError: a time series or a vector image, or an axis without voxels.
    """
    sizes = [int(n) for n in shape]
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    if len(sizes) > 3:
        raise InputError(
            f"{path}: the image has shape {tuple(shape)}; expected one 3D volume. Split the time series or the "
            "channels into one file each (for instance `fslsplit`) and list the one wanted."
        )
    if min(sizes) < 1:
        raise InputError(f"{path}: the image has shape {tuple(shape)}, without voxels. Export it again.")
    sizes += [1] * (3 - len(sizes))
    return sizes[0], sizes[1], sizes[2]


def _read_nifti_header(path: Path) -> VolumeHeader:
    raw = _raw_nifti_header(path)
    if raw.get_data_dtype().fields is not None or raw.get_data_dtype().kind == "c":
        raise InputError(
            f"{path}: voxels are of type {raw.get_value_label('datatype')}; expected one number each. "
            "RGB pictures of a scan cannot be used: export the scan itself."
        )
    shape = spatial_shape(raw.get_data_shape(), path)
    claimed = int(np.prod([int(n) for n in shape], dtype=object)) * raw.get_data_dtype().itemsize
    check_claimed_size(path, claimed, compressed=path.name.endswith(".gz"))
    _check_nifti_scaling(raw, path)
    return VolumeHeader(shape=shape, affine=_nifti_affine(raw, shape, path))


def _raw_nifti_header(path: Path) -> Any:
    """The header as stored: nibabel's images replace scaling and spacing that they find odd."""
    try:
        with ImageOpener(str(path), "rb") as file:
            nifti2 = file.read(4) in ((540).to_bytes(4, "little"), (540).to_bytes(4, "big"))
            file.seek(0)
            header = (nib.Nifti2Header if nifti2 else nib.Nifti1Header).from_fileobj(file, check=False)
            if bytes(header["magic"].tobytes()[:3]) not in (b"n+1", b"n+2"):
                raise InputError(f"{path}: not a NIfTI file (no magic number). Check what kind of file it is.")
            header.get_data_dtype()
            header.get_data_shape()
            return header
    except (OSError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: the compressed data is truncated or damaged ({error}). Copy it again.") from error
    except (HeaderDataError, WrapStructError, ValueError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: the NIfTI header cannot be read ({error}). Export the image again.") from error


def _check_nifti_scaling(raw: Any, path: Path) -> None:
    slope, inter = float(raw["scl_slope"]), float(raw["scl_inter"])
    if not (np.isfinite(slope) and (slope == 0 or np.isfinite(inter))):
        raise InputError(
            f"{path}: scl_slope is {slope} and scl_inter {inter}, so the intensities are unknown. "
            "Set them (1 and 0 if the voxels are stored unscaled)."
        )
    if int(raw["xyzt_units"]) & 7 in (1, 3):
        raise InputError(f"{path}: the header gives lengths in metres or micrometres; expected mm. Convert the header.")
    spacing = np.asarray(raw["pixdim"][1 : 1 + min(int(raw["dim"][0]), 3)], dtype=float)
    if not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise InputError(
            f"{path}: voxel spacing (pixdim) is {tuple(spacing.tolist())} mm; expected positive numbers. Set it in the "
            "header."
        )


def _nifti_affine(raw: Any, shape: tuple[int, int, int], path: Path) -> FloatArray:
    """sform where its code is set, else qform, else the spacing alone, after checking that they do not contradict."""
    sform = np.asarray(raw.get_sform(), dtype=float) if int(raw["sform_code"]) > 0 else None
    try:
        qform = np.asarray(raw.get_qform(), dtype=float) if int(raw["qform_code"]) > 0 else None
    except (ValueError, HeaderDataError) as error:
        raise InputError(
            f"{path}: the qform cannot be read ({error}). Set it from the sform, or its code to 0."
        ) from error
    if sform is None and qform is None:
        warnings.warn(
            f"{path}: neither sform nor qform is set; left and right are taken from the spacing alone, which may be "
            "mirrored. Set one of them if the orientation is known.",
            stacklevel=2,
        )
    for candidate in (sform, qform):
        if candidate is not None:
            check_affine(candidate, path)
    if sform is not None and qform is not None:
        _check_forms_agree(sform, qform, shape, path)
    affine = sform if sform is not None else qform if qform is not None else np.asarray(raw.get_base_affine(), float)
    check_affine(affine, path)
    return affine


def _check_forms_agree(sform: FloatArray, qform: FloatArray, shape: tuple[int, int, int], path: Path) -> None:
    distance = corner_distance_mm(sform, qform, shape)
    reach = np.linalg.norm(sform[:3, :3] @ np.diag(np.subtract(shape, 1)), axis=0).sum()
    # the first voxel is compared strictly, the others as well as a float32 quaternion can state a rotation
    if distance[0] > GRID_TOLERANCE_MM or distance.max() > GRID_TOLERANCE_MM + _QUATERNION_PRECISION * reach:
        raise InputError(
            f"{path}: sform and qform disagree by up to {distance.max():.3f} mm, so the position is ambiguous. "
            "Decide which is right and set the other from it (nibabel: `image.set_qform(image.get_sform())`)."
        )


def _read_itk_header(path: Path) -> VolumeHeader:
    # ITK writes the details to stderr and gives the reason in the exception
    try:
        io = itk.ImageIOFactory.CreateImageIO(str(path), itk.CommonEnums.IOFileMode_ReadMode)
        if io is None:
            raise InputError(f"{path}: no reader for this file. Check that its content fits its name.")
        io.SetFileName(str(path))
        io.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(f"{path}: the header cannot be read ({last_line(error)}). Export the image again.") from error
    n_axes = io.GetNumberOfDimensions()
    if io.GetNumberOfComponents() != 1 or n_axes != 3:
        raise InputError(
            f"{path}: {n_axes} axes with {io.GetNumberOfComponents()} components a voxel; expected one 3D volume of "
            "single numbers. Split channels or time points into one file each."
        )
    shape = spatial_shape(tuple(io.GetDimensions(i) for i in range(3)), path)
    detached = path.suffix.lower() in (".nhdr", ".mhd")
    stored = sum(f.stat().st_size for f in path.parent.iterdir() if f.is_file()) if detached else None
    claimed = int(np.prod([int(n) for n in shape], dtype=object)) * io.GetComponentSize()
    check_claimed_size(path, claimed, compressed=True, stored_bytes=stored)
    axes = np.stack([np.asarray(io.GetDirection(i), float) * float(io.GetSpacing(i)) for i in range(3)], axis=1)
    affine = np.eye(4)
    affine[:3, :3] = axes
    affine[:3, 3] = [io.GetOrigin(i) for i in range(3)]
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # ITK's millimetres run to the left and to the back
    check_affine(affine, path)
    return VolumeHeader(shape=shape, affine=affine)


def last_line(error: BaseException) -> str:
    """The last line of a message: ITK puts its reason there, below the place in its sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
