"""Where preprocessed volumes are kept, and whether they fit there."""

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
from ..volumes.file_checks import read_header
from ..volumes.resampling import ResampleInPlaned, in_plane_spacing

CACHE_VARIABLE = "MEDDINO_CACHE"
_BYTES_OF_A_LABEL = 1
_BYTES_OF_AN_INTENSITY = 2
# what the file system needs beside the volumes, and what an estimate may be wrong by
_SPARE = 1.05


def default_cache_dir() -> str:
    """The folder that all runs of a user share: ``volumes`` in ``$MEDDINO_CACHE``, or else in ``~/.cache/meddino``.

    ``$XDG_CACHE_HOME`` stands in the place of ``~/.cache`` where it is set.
    """
    caches = os.environ.get(CACHE_VARIABLE)
    if not caches:
        caches = os.path.join(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "meddino")
    return os.path.join(caches, "volumes")


def cached_bytes(cases: Sequence[Mapping[str, Any]], transforms: Sequence[Any]) -> int | None:
    """About how many bytes the preprocessed cases will take, by the headers of their images.

    Args:
        cases: with ``image``, a path or paths by sequence.
        transforms: the preprocessing; the pixel spacing is that of its `ResampleInPlaned`, slices lie as its
            `Orientationd` puts them.

    Returns:
        None where no header can be read without reading voxels. Cases of which that is so, such as DICOM series, count
        as much as the others do on average.
    """
    pixdim = next((step.pixdim for step in transforms if isinstance(step, ResampleInPlaned)), None)
    oriented = (step.ornt_transform.axcodes for step in transforms if isinstance(step, Orientationd))
    axcodes = next(oriented, AXIAL)
    found = [size for case in cases if (size := _bytes_of_case(case, pixdim, axcodes)) is not None]
    return round(sum(found) / len(found) * len(cases)) if found else None


def check_space(folder: Path, needed: int | None, n_cases: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        InputError: fewer bytes are free than are needed.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed is not None and needed * _SPARE > free:
        raise InputError(
            f"{folder}: preprocessed volumes of {n_cases} cases need about {gigabytes(needed)}, and "
            f"{gigabytes(free)} are free. Make room, or give another folder by cache_dir or {CACHE_VARIABLE}"
        )


def gigabytes(n_bytes: int) -> str:
    """A size as it is shown to a user."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.1f} MB"


def _bytes_of_case(case: Mapping[str, Any], pixdim: tuple[float, float] | None, axcodes: str) -> int | None:
    image = case["image"]
    paths = list(image.values()) if isinstance(image, Mapping) else [image]
    try:
        header = read_header(paths[0])
    except (InputError, OSError):  # a folder of DICOM files, or what the preprocessing will name
        return None
    pixels = float(np.prod(header.shape))
    if pixdim is not None:
        spacing = in_plane_spacing(header.affine[:, stored_axes(header.affine, axcodes)])
        pixels *= spacing[0] * spacing[1] / (pixdim[0] * pixdim[1])
    return round(pixels * (len(paths) * _BYTES_OF_AN_INTENSITY + _BYTES_OF_A_LABEL))
