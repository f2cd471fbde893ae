"""Where a data set marks what lies outside the patient: which voxels those are, and the value that they get."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from ...errors import InputError
from .intensity_statistics import FEW_SAMPLES, even_sample

_LEAST_OUTSIDE = 0.01  # of a volume; round a brain it is half and more
_MARKED_SHARE = 0.2  # of a volume with one value, for that to be the outside


def value_outside(background: float | None) -> float:
    """What a normalised image holds beyond its edges: round slices smaller than a window, and after a rotation.

    The one value of training and inference: ``background`` where a data set marks what lies outside the patient, else
    0, the mean of what the image was normalised by, as in nnU-Net.
    """
    return 0.0 if background is None else float(background)


def inside_patient(voxels: torch.Tensor, background: float, name: str, *, must_be_marked: bool = True) -> torch.Tensor:
    """[...] bool, voxels inside the patient: those where a channel differs from the value that marks the outside.

    Where that value is not ``background``, as after a z-score of the whole volume, it is looked for: the most frequent
    value of each channel, if so many voxels have it in all channels as lie outside of a brain. A warning says so.

    Args:
        voxels: [C, ...], all channels of one volume.
        background: the value that should mark the outside.
        name: for messages.
        must_be_marked: refuse a volume with neither.

    Raises:
        InputError: next to no voxel is marked, so the volume is not skull-stripped.
    """
    outside = (voxels == background).all(dim=0)
    marks = torch.tensor([_most_frequent(channel) for channel in voxels], dtype=voxels.dtype)
    if not bool((marks == background).all()):
        shape = (-1, *[1] * (voxels.ndim - 1))
        marked = (voxels == marks.to(voxels.device).reshape(shape)).all(dim=0)
        if float(marked.float().mean()) >= _MARKED_SHARE:
            found = ", ".join(f"{mark:.4g}" for mark in marks.tolist())
            warnings.warn(
                f"{name}: the background has the value {found}, not {background:g}, as after a "
                "z-score of the whole volume; it is taken for the background.",
                stacklevel=2,
            )
            outside |= marked
    share = float(outside.float().mean())
    if must_be_marked and share < _LEAST_OUTSIDE:
        raise InputError(
            f"{name}: {share:.2%} of the voxels have the value {background:g} in all sequences, which marks what lies "
            f"outside of the patient; expected at least {_LEAST_OUTSIDE:.0%}. The network was trained on "
            "skull-stripped scans: strip the skull and set the outside to one value, or set `check_modality: false`."
        )
    return ~outside


def _most_frequent(channel: torch.Tensor) -> float:
    values, counts = np.unique(even_sample(channel.detach().cpu().numpy(), FEW_SAMPLES), return_counts=True)
    return float(values[counts.argmax()])
