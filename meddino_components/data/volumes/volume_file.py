"""Read voxels and grid of a NIfTI, NRRD, MetaImage or sparse CSV file. X, Y, Z: axes as stored."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from monai.data import ITKReader, NibabelReader
from monai.utils import ensure_tuple
from nibabel.filebasedimages import ImageFileError
from nibabel.fileholders import FileHolder
from nibabel.spatialimages import HeaderDataError

from ...errors import InputError
from .file_checks import is_nifti, read_header
from .grid_checks import FloatArray
from .itk_header import image_io, last_line
from .sparse_csv import is_sparse_csv, read_sparse_voxels

_READ_ERRORS = (RuntimeError, OSError, EOFError, ValueError, zlib.error, ImageFileError, HeaderDataError)


class _PlainNibabelReader(NibabelReader):
    """NibabelReader that keeps the stored affine and applies scl_slope in float32, not float64."""

    def read(self, data: Any) -> Any:
        self.filenames = ensure_tuple(data)
        holder = FileHolder(filename=str(self.filenames[0]))  # nib.load does not accept names in mixed case
        with holder.get_prepare_fileobj("rb") as file:
            version = 2 if nib.Nifti2Header.may_contain_header(file.read(nib.Nifti2Header.sizeof_hdr)) else 1
        return (nib.Nifti2Image if version == 2 else nib.Nifti1Image).from_file_map({"image": holder})

    def _get_array_data(self, img: Any, filename: str) -> Any:
        scaled = img.dataobj.slope != 1 or img.dataobj.inter != 0
        return np.asarray(img.dataobj, dtype=np.float32 if scaled else None)


def read_volume_file(
    path: Path, *, spacing_mm: Sequence[float] | None = None, is_label: bool = False, n_channels: int | None = None
) -> tuple[np.ndarray[Any, Any], FloatArray]:
    """Return voxels [X, Y, Z] or [X, Y, Z, C] in the file's type, and the affine [4, 4] to RAS mm.

    Args:
        path: path of the file.
        spacing_mm: spacing in mm for a header that has none, see `read_header`.
        is_label: whether the file is a label map.
        n_channels: number C of channels in the file; None for a file with one volume.

    Raises:
        InputError: see `read_header`; or the voxels cannot be read.
    """
    header = read_header(path, spacing_mm=spacing_mm, is_scan=not is_label, n_channels=n_channels)
    if is_sparse_csv(path):
        return read_sparse_voxels(path, is_label=is_label), header.affine
    try:
        # not through LoadImage, which creates every known reader: one of them warns if pydicom is installed
        if is_nifti(path):
            reader = _PlainNibabelReader()
            array, _ = reader.get_data(reader.read(path))
        else:
            reader = ITKReader()
            array, _ = reader.get_data(reader.read(path, imageio=image_io(path)))
    except _READ_ERRORS as error:
        raise InputError(
            f"{path}: the voxels cannot be read ({last_line(error)}). The file is truncated or damaged: "
            "copy or export it again."
        ) from error
    shape = header.shape if n_channels is None else (*header.shape, n_channels)
    return array.reshape(shape, order="A"), header.affine
