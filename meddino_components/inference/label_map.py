"""Name a case's label map, and give it the NIfTI header of its source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from ..data.volumes.grids import same_grid
from ..errors import InputError

# fields of a NIfTI header that a label map on the same grid shares with its source
_GRID_FIELDS = (
    *("dim_info", "pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
)
LABEL_SUFFIX = ".nii.gz"


def label_path(output_dir: str | Path, case_id: str) -> Path:
    """Return the path of a case's label map.

    Raises:
        InputError: the case's id cannot be used as a file name.
    """
    if not case_id or case_id.startswith(".") or set(case_id) & set('/\\\0:"<>|?*'):
        raise InputError(f"case_id {case_id!r} cannot be used as a file name: give each case a plain, unique id")
    return Path(output_dir) / f"{case_id}{LABEL_SUFFIX}"


def nifti_like_source(labels: NDArray[np.uint8], affine: NDArray[np.float64], source: Path | None) -> Any:
    """Return a NIfTI-1 image of the labels, with the source's own header if the source is a NIfTI on this grid.

    The source's text fields and extensions are not kept, as they may name the patient.
    """
    stored = _source_header(source, affine)
    if stored is None:
        image = nib.Nifti1Image(labels, affine)
        image.header.set_xyzt_units("mm")
        return image
    header = nib.Nifti1Header()
    header.set_data_dtype(np.uint8)
    for field in _GRID_FIELDS:
        header[field] = stored[field]
    header.set_data_shape(labels.shape)
    return nib.Nifti1Image(labels, None, header)  # with affine None, sform and qform stay bit-equal


def _source_header(source: Path | None, affine: NDArray[np.float64]) -> Any:
    if source is None:
        return None
    try:
        loaded = nib.load(source)
    except (ImageFileError, OSError):
        return None  # NRRD, MetaImage, DICOM
    if not isinstance(loaded, nib.Nifti1Pair) or not same_grid(loaded.affine, affine):
        return None
    return loaded.header
