"""Stream class probabilities to a ``.npy`` file on the input's own grid."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import MetaTensor
from numpy.typing import NDArray

from ..data.volumes.grids import as_on_grid


class ProbabilityFile:
    """An opener for ``VolumeInferer``: float16 [K, X, Y, Z] in the source's orientation, viewed as [K, H, W, D].

    The file is memory-mapped, so it takes no memory; it is stored in Fortran order, in which the classes of a slice are
    adjacent. Its disk space is reserved at once: a full disk is an error here, not a crash in the middle of a write.

    Args:
        path: path of the file; the caller renames it when the case is complete.
        image: preprocessed image, which contains the source's grid.
    """

    def __init__(self, *, path: Path, image: MetaTensor) -> None:
        self.path = path
        self.image = image

    def __call__(self, n_classes: int) -> NDArray[Any]:
        """Create the file for K classes and return the writable view [K, H, W, D]."""
        meta = self.image.meta
        source_shape = tuple(int(n) for n in np.asarray(meta["spatial_shape"])[:3])
        stored = np.lib.format.open_memmap(
            self.path, mode="w+", dtype=np.float16, shape=(n_classes, *source_shape), fortran_order=True
        )
        if hasattr(os, "posix_fallocate"):
            with open(self.path, "r+b") as file:
                os.posix_fallocate(file.fileno(), 0, os.path.getsize(self.path))
        view = as_on_grid(
            np.moveaxis(stored, 0, -1),
            np.asarray(meta["original_affine"], dtype=np.float64),
            np.asarray(self.image.affine.cpu(), dtype=np.float64),
            tuple(self.image.shape[1:]),
        )
        return np.moveaxis(view, -1, 0)
