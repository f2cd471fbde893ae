"""Compute the clips and moments that normalise a volume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ...errors import InputError
from .channel_modality import ChannelModality
from .ct_or_mr import Modality
from .intensity_table import FINGERPRINT_KEYS, INTENSITY_TABLE

FEW_SAMPLES = 200_000  # enough for shares and for the most frequent value
MAX_SAMPLES = 4_000_000  # percentiles of more voxels cost memory without changing the result


def clip_and_moments(
    voxels: torch.Tensor, modality: Modality, name: str, fingerprint: Mapping[str, float] | None = None
) -> tuple[float, float, float, float]:
    """Return lower and upper clip, mean and standard deviation to normalise a volume; see `mr_statistics` for MR.

    Args:
        voxels: whole volume in its own units.
        modality: modality that decides the rule.
        name: name of the volume, for messages.
        fingerprint: CT statistics of a data set, instead of the table's.

    Raises:
        InputError: an MR volume has no contrast.
    """
    if modality == "mr":
        return mr_statistics(voxels, name)
    if fingerprint is not None:
        low, high, mean, std = (fingerprint[k] for k in FINGERPRINT_KEYS)
    else:
        (low, high), mean, std = (INTENSITY_TABLE["ct"][k] for k in ("clip", "mean", "std"))
    return low, high, mean, std


def mr_statistics(voxels: torch.Tensor, name: str) -> tuple[float, float, float, float]:
    """Return lower and upper clip, mean and standard deviation for a robust z-score of one MR volume.

    The foreground is brighter than the mean of the volume. The upper clip is the 99.5 percentile of the
    foreground; the lower one the 0.5 percentile of the whole volume, so that dark tissue remains distinguishable.
    Mean and standard deviation are those of the foreground after clipping. Volumes of more than 4 million voxels are
    sampled at even intervals.

    Raises:
        InputError: the volume or its foreground has no contrast.
    """
    lower, upper = INTENSITY_TABLE["mr"]["percentiles"]
    sample = even_sample(voxels.detach().cpu().numpy())
    foreground = sample[sample > sample.mean()]
    if foreground.size == 0:
        raise InputError(f"{name}: all voxels have the same value; expected a scan.")
    low, high = float(np.percentile(sample, lower)), float(np.percentile(foreground, upper))
    return _clipped_moments(foreground, low, high, name)


def marked_mr_statistics(channel: torch.Tensor, inside: torch.Tensor, name: str) -> tuple[float, float, float, float]:
    """Return lower and upper clip, mean and standard deviation for a robust z-score of a channel of a marked MR volume.

    The clips are the 0.5 and 99.5 percentile of voxels inside the patient; mean and standard deviation are those of
    these voxels after clipping.

    Args:
        channel: voxels of one sequence, [...].
        inside: boolean mask of voxels inside the patient, [...].
        name: name of the volume, for messages.

    Raises:
        InputError: no voxel is inside, or the channel is constant there.
    """
    lower, upper = INTENSITY_TABLE["mr with marked background"]["percentiles"]
    foreground = even_sample(channel[inside].detach().cpu().numpy())
    if foreground.size == 0:
        raise InputError(f"{name}: every voxel is background; expected a scan.")
    low, high = (float(value) for value in np.percentile(foreground, (lower, upper)))
    return _clipped_moments(foreground, low, high, name)


def rescaling(channel: torch.Tensor, modality: ChannelModality, name: str) -> tuple[float, float]:
    """Return what to subtract from a channel that is neither CT nor MR, and by what to divide it then.

    These are the mean and standard deviation of its voxels ("pet", "zscore"), its lowest value and its range
    ("rescale_to_0_1"), or 0 and 1 ("nonorm").

    Args:
        channel: voxels of one channel, [...].
        modality: modality of the channel.
        name: name of the volume and the channel, for messages.

    Raises:
        InputError: a channel that is to be scaled has only one value.
    """
    if modality == "nonorm":
        return 0.0, 1.0
    values = channel.detach().cpu().numpy()
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise InputError(f"{name}: all voxels have the same value; expected a scan.")
    if modality == "rescale_to_0_1":
        return low, high - low
    return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))


def even_sample(array: np.ndarray[Any, Any], at_most: int = MAX_SAMPLES) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return voxels at even intervals."""
    index = np.linspace(0, array.size - 1, min(array.size, at_most)).round().astype(np.int64)
    return np.asarray(array[np.unravel_index(index, array.shape)], dtype=np.float64)


def _clipped_moments(
    foreground: np.ndarray[Any, np.dtype[np.float64]], low: float, high: float, name: str
) -> tuple[float, float, float, float]:
    clipped = foreground.clip(low, high)
    std = float(clipped.std())
    if std <= 1e-6 * max(abs(low), abs(high), 1e-12):
        raise InputError(f"{name}: the foreground has only one value ({high:g}); expected a scan, not a mask.")
    return low, high, float(clipped.mean()), std
