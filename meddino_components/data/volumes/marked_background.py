"""Find voxels inside the patient if a data set marks the background, and define the padding value."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from ...errors import InputError
from .intensity_statistics import FEW_SAMPLES, even_sample

_LEAST_OUTSIDE = 0.01  # share of a volume; around a brain it is half or more
_MARKED_SHARE = 0.2  # smallest share of voxels with the same value that counts as background


def value_outside(background: float | None) -> float:
    """Return the padding value of normalised images, for slices smaller than a window and after rotations.

    Training and inference share it: ``background`` if a data set marks the background, else 0, the mean of normalised
    intensities, as in nnU-Net.
    """
    return 0.0 if background is None else float(background)


def inside_patient(voxels: torch.Tensor, background: float, name: str, *, must_be_marked: bool = True) -> torch.Tensor:
    """Return a boolean mask [...] of the patient: voxels where any channel differs from the background value.

    If the background has another value than ``background``, as after a z-score of the whole volume, it is searched: the
    most frequent value of each channel, if as many voxels have it in all channels as surround a brain. A warning
    reports it.

    Args:
        voxels: all channels of one volume, [C, ...].
        background: value that should mark the background.
        name: name of the volume, for messages.
        must_be_marked: whether to refuse a volume without marked background.

    Raises:
        InputError: almost no voxel is marked, so the volume is not skull-stripped.
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
            f"{name}: {share:.2%} of the voxels have the value {background:g} in all sequences, which marks the "
            f"background; expected at least {_LEAST_OUTSIDE:.0%}. The network was trained on skull-stripped scans: "
            f"strip the skull and set the background to one value, or set `check_modality: false`."
        )
    return ~outside


def _most_frequent(channel: torch.Tensor) -> float:
    values, counts = np.unique(even_sample(channel.detach().cpu().numpy(), FEW_SAMPLES), return_counts=True)
    return float(values[counts.argmax()])
