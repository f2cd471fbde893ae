"""Choose the folder for preprocessed volumes, and check that they fit on its disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.transforms import Orientationd

from ...errors import InputError
from ...slice_planes import AXIAL, stored_axes
from ...wording import counted
from ..volumes.file_checks import read_header
from ..volumes.resampling import ResampleInPlaned, in_plane_spacing

CACHE_VARIABLE = "MEDDINO_CACHE"
_BYTES_OF_A_LABEL = 1
_BYTES_OF_AN_INTENSITY = 2
# allowance for the file system and for errors of the estimate
_SPARE = 1.05


def default_cache_dir() -> str:
    """Return the folder that all runs of a user share: ``volumes`` in ``$MEDDINO_CACHE``, else in ``~/.cache/meddino``.

    If ``$XDG_CACHE_HOME`` is set, it replaces ``~/.cache``.
    """
    caches = os.environ.get(CACHE_VARIABLE)
    if not caches:
        caches = os.path.join(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "meddino")
    return os.path.join(caches, "volumes")


def cached_bytes(cases: Sequence[Mapping[str, Any]], transforms: Sequence[Any]) -> int | None:
    """Estimate how many bytes the preprocessed cases will take, from the headers of their images.

    Args:
        cases: cases with ``image``, a path or paths by sequence.
        transforms: preprocessing; its `ResampleInPlaned` sets the pixel spacing, its `Orientationd` the direction of
            slices.

    Returns:
        The estimate; None if no header can be read without reading voxels. Such cases, for example DICOM series, count
        as much as the average of the others.
    """
    pixdim = next((step.pixdim for step in transforms if isinstance(step, ResampleInPlaned)), None)
    oriented = (step.ornt_transform.axcodes for step in transforms if isinstance(step, Orientationd))
    axcodes = next(oriented, AXIAL)
    found = [size for case in cases if (size := _bytes_of_case(case, pixdim, axcodes)) is not None]
    return round(sum(found) / len(found) * len(cases)) if found else None


def check_space(folder: Path, needed: int | None, n_cases: int) -> None:
    """Refuse to start if the disk cannot hold the volumes.

    Raises:
        InputError: there is not enough free space.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed is not None and needed * _SPARE > free:
        raise InputError(
            f"{folder}: preprocessed volumes of {counted(n_cases, 'case')} need about {gigabytes(needed)}, but only "
            f"{gigabytes(free)} are free. Free some space, or set another folder with cache_dir or {CACHE_VARIABLE}"
        )


def gigabytes(n_bytes: int) -> str:
    """Format a size for the user."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.1f} MB"


def _bytes_of_case(case: Mapping[str, Any], pixdim: tuple[float, float] | None, axcodes: str) -> int | None:
    image = case["image"]
    paths = list(image.values()) if isinstance(image, Mapping) else [image]
    channels = case.get("channels") or ()
    try:
        header = read_header(paths[0], n_channels=len(channels) if channels else None)
    except (InputError, OSError):  # a folder of DICOM files, or an error that the preprocessing will report
        return None
    pixels = float(np.prod(header.shape))
    if pixdim is not None:
        spacing = in_plane_spacing(header.affine[:, stored_axes(header.affine, axcodes)])
        pixels *= spacing[0] * spacing[1] / (pixdim[0] * pixdim[1])
    return round(pixels * (max(len(paths), len(channels)) * _BYTES_OF_AN_INTENSITY + _BYTES_OF_A_LABEL))
