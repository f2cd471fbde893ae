"""Normalise intensities by one versioned table, shared by pretraining, fine-tuning and inference."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from typing import Any, Literal

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from ...errors import InputError

Modality = Literal["ct", "mr"]
MODALITIES: tuple[Modality, ...] = ("ct", "mr")

# CT: the statistics of the data that MedDINOv3 was pretrained on, in HU.
# MR has no units: percentiles and moments come from each volume (see `mr_statistics`). If the background is marked, as
# in skull-stripped brains, they come from each channel inside the patient (see `marked_mr_statistics`).
INTENSITY_TABLE: dict[str, Any] = {
    "version": 1,
    "ct": {"clip": (-1000.0, 1000.0), "mean": 65.1084213, "std": 178.0166321},
    "mr": {"percentiles": (0.5, 99.5), "foreground": "above the mean"},
    "mr with marked background": {"percentiles": (0.5, 99.5), "foreground": "any channel differs from the background"},
}
FINGERPRINT_KEYS = ("percentile_00_5", "percentile_99_5", "mean", "std")

_CT_AIR_BELOW_HU = -200.0
_FEWEST_FOR_SHARES = 1000  # smallest number of voxels for meaningful shares
_CT_DENSE_SHARE = 0.05
_CT_SOFT_SHARE = 0.025
_CT_BELOW_AIR_SHARE = 0.05
_MR_NEVER_BELOW = -500.0
_LEAST_OUTSIDE = 0.01  # share of a volume; around a brain it is half or more
_MARKED_SHARE = 0.2  # smallest share of voxels with the same value that counts as background
_FEW_SAMPLES = 200_000  # enough for shares and for the most frequent value
_MAX_SAMPLES = 4_000_000  # percentiles of more voxels cost memory without changing the result


class NormalizeIntensityByModalityd(MapTransform):
    """Clip and scale volumes to zero mean and unit variance by the rule for their modality.

    CT: clip to a fixed window in HU, subtract a fixed mean, divide by a fixed standard deviation; from
    `INTENSITY_TABLE`, or from `fingerprint` (nnU-Net's per-data-set statistics, as written by `plan`).
    MR: per volume, see `mr_statistics`; `fingerprint` has no effect on it. With `background`, each channel is
        normalised by its own voxels inside the patient, see `marked_mr_statistics`; outside,
    values stay unchanged.

    Float32 volumes are changed in place (a volume can take most of the memory), others are converted first.

    Args:
        keys: items with images, tensors of any shape; `MetaTensor` stays `MetaTensor`.
        modality: "ct" or "mr"; None uses the case's item "modality". It is never inferred.
        fingerprint: statistics {"percentile_00_5", "percentile_99_5", "mean", "std"} in HU.
        check_modality: whether to refuse intensities that contradict the modality.
        background: for MR, the value of voxels outside the patient in every channel (0 after skull-stripping), as the
            data set's layer states; None if not marked. If another value marks them, it is found, see `inside_patient`.
        allow_missing_keys: whether to skip keys that the case lacks.

    Raises:
        InputError: the modality is unknown or contradictory, the fingerprint is incomplete, the intensities do not
            match the modality, or a volume has no contrast.

    Reference:
        Isensee et al., nnU-Net, Nature Methods 2021, CTNormalization.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        modality: str | None = None,
        fingerprint: Mapping[str, float] | None = None,
        check_modality: bool = True,
        background: float | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.modality = None if modality is None else parse_modality(modality, "modality")
        self.fingerprint = None if fingerprint is None else _parse_fingerprint(fingerprint)
        self.check_modality = check_modality
        self.background = background

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        modality = self._modality_of(case)
        for key in self.key_iterator(case):
            case[key] = self._normalize(case[key], modality)
        return case

    def _modality_of(self, case: Mapping[Hashable, Any]) -> Modality:
        name = case.get("case_id", "?")
        stated = case.get("modality")
        if stated is None and self.modality is None:
            raise InputError(
                f"case {name}: no modality stated. Set `modality: ct` or `modality: mr` in the configuration, or give "
                "each case of the data list an item 'modality'."
            )
        if stated is None:
            return parse_modality(str(self.modality), "modality")
        of_case = parse_modality(stated, f"case {name}: modality")
        if self.modality not in (None, of_case):
            raise InputError(
                f"case {name}: the data list says '{of_case}', the configuration '{self.modality}'. Correct one "
                "of them or set `modality: null` to use the data list's."
            )
        return of_case

    def _normalize(self, volume: torch.Tensor, modality: Modality) -> torch.Tensor:
        volume = torch.as_tensor(volume) if not isinstance(volume, torch.Tensor) else volume
        volume = volume.to(torch.float32)
        voxels = volume.as_tensor() if isinstance(volume, MetaTensor) else volume
        name = str(volume.meta.get("filename_or_obj", "image")) if isinstance(volume, MetaTensor) else "image"
        if self.check_modality:
            check_intensities(voxels, modality, name)
        if modality == "mr" and self.background is not None:
            inside = inside_patient(voxels, self.background, name, must_be_marked=self.check_modality)
            for channel in voxels:
                low, high, mean, std = marked_mr_statistics(channel, inside, name)
                channel.clamp_(low, high).sub_(mean).div_(std)
            voxels[:, ~inside] = self.background
            return volume
        low, high, mean, std = clip_and_moments(voxels, modality, name, self.fingerprint)
        voxels.clamp_(low, high).sub_(mean).div_(std)  # shares memory with `volume`
        return volume


def stated_fingerprint(fingerprint: Mapping[str, float] | None) -> Mapping[str, float]:
    """Return the fingerprint of a configuration that requires one.

    Raises:
        InputError: there is no fingerprint.
    """
    if fingerprint is None:
        raise InputError(
            "fingerprint is null, but this configuration normalises by the data set's statistics. Compute them with "
            "`python -m meddino_components plan DATASET_DIR LAYOUT --output plan.json`, and pass plan.json as the "
            "last --config_file"
        )
    return fingerprint


def value_outside(background: float | None) -> float:
    """Return the padding value of normalised images, for slices smaller than a window and after rotations.

    Training and inference share it: ``background`` if a data set marks the background, else 0, the mean of normalised
    intensities, as in nnU-Net.
    """
    return 0.0 if background is None else float(background)


def parse_modality(value: object, what: str) -> Modality:
    """Parse "ct" or "mr" from a string in upper or lower case.

    Raises:
        InputError: the value is neither.
    """
    for modality in MODALITIES:
        if isinstance(value, str) and value.lower() == modality:
            return modality
    raise InputError(f"{what} is {value!r}; expected 'ct' or 'mr'.")


def check_intensities(voxels: torch.Tensor, modality: Modality, name: str) -> None:
    """Refuse intensities that contradict the modality. Padding (-2000, -3024) and metal (30,000 HU) are allowed.

    Raises:
        InputError: CT has no voxel below -200 HU (no air: it is MR, or lacks the rescale intercept), or its soft tissue
            is about 1000 HU too high or too low; or MR has a voxel at or below -500.
    """
    array = voxels.detach().cpu().numpy()  # torch would copy a reoriented volume to compute its minimum
    low, high = float(array.min()), float(array.max())
    way_out = "If the modality is right, set `check_modality: false`."
    if modality == "mr" and low <= _MR_NEVER_BELOW:
        raise InputError(
            f"{name}: given as MR, but intensities reach down to {low:g}, as in CT (HU). "
            f"Set the modality to ct. {way_out}"
        )
    if modality == "ct" and low >= _CT_AIR_BELOW_HU:
        unsigned = low >= 0 and 1500 <= high <= 4096
        guess = (
            "as in CT stored without its rescale intercept: subtract 1024 (or export it again with the rescale applied)"
            if unsigned
            else "as in MR or a windowed picture: set the modality to mr or use the original scan"
        )
        raise InputError(
            f"{name}: given as CT, but intensities run from {low:g} to {high:g} and no voxel is below "
            f"{_CT_AIR_BELOW_HU:g} HU (air), {guess}. {way_out}"
        )
    few = array.size < _FEWEST_FOR_SHARES
    if modality == "ct" and not few and (finding := shifted_ct(_even_sample(array, _FEW_SAMPLES))):
        raise InputError(f"{name}: given as CT, but {finding}. {way_out}")


def shifted_ct(hu: np.ndarray[Any, np.dtype[np.float64]]) -> str | None:
    """Describe a CT whose soft tissue has implausible values; None if it is plausible.

    In 250 scans from head to legs, at least 7 % of voxels were between -200 and 300 HU and at most 2 % between 800 and
    1300 HU, which is fewer than or about as many as between 300 and 800 HU. A rescale intercept that is applied twice
    or not at all shifts values by 1000 or 1024, and an inverted scale moves air to the values of bone.
    """

    def share(lowest: float, highest: float) -> float:
        return float(np.mean((hu >= lowest) & (hu < highest)))

    bone, dense = share(300, 800), share(800, 1300)
    if dense > _CT_DENSE_SHARE and dense > 2 * bone:
        return (
            f"{dense:.0%} of the voxels lie between 800 and 1300 HU and {bone:.1%} between 300 and 800, as in CT "
            "stored without its rescale intercept, whose air is at 0, or inverted: subtract 1024, or export it "
            "again with the rescale applied"
        )
    soft, below = share(-200, 300), share(-np.inf, -1500)
    if soft < _CT_SOFT_SHARE and below > _CT_BELOW_AIR_SHARE:
        return (
            f"{soft:.1%} of the voxels lie between -200 and 300 HU (soft tissue) and {below:.0%} below -1500, as where "
            "the rescale intercept was applied twice: add 1024, or export it again"
        )
    return None


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
    sample = _even_sample(voxels.detach().cpu().numpy())
    foreground = sample[sample > sample.mean()]
    if foreground.size == 0:
        raise InputError(f"{name}: all voxels have the same value; expected a scan.")
    low, high = float(np.percentile(sample, lower)), float(np.percentile(foreground, upper))
    return _clipped_moments(foreground, low, high, name)


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
                f"{name}: the background has the value {found}, not {background:g}, as after a z-score of the whole "
                f"volume; this value is used.",
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
    values, counts = np.unique(_even_sample(channel.detach().cpu().numpy(), _FEW_SAMPLES), return_counts=True)
    return float(values[counts.argmax()])


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
    foreground = _even_sample(channel[inside].detach().cpu().numpy())
    if foreground.size == 0:
        raise InputError(f"{name}: every voxel is background; expected a scan.")
    low, high = (float(value) for value in np.percentile(foreground, (lower, upper)))
    return _clipped_moments(foreground, low, high, name)


def _even_sample(array: np.ndarray[Any, Any], at_most: int = _MAX_SAMPLES) -> np.ndarray[Any, np.dtype[np.float64]]:
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


def _parse_fingerprint(fingerprint: Mapping[str, float]) -> dict[str, float]:
    missing = [k for k in FINGERPRINT_KEYS if k not in fingerprint]
    if missing:
        raise InputError(f"fingerprint lacks {', '.join(missing)}; expected {', '.join(FINGERPRINT_KEYS)} (see plan).")
    values = {k: float(fingerprint[k]) for k in FINGERPRINT_KEYS}
    if not (values["percentile_00_5"] < values["percentile_99_5"] and values["std"] > 0):
        raise InputError(f"fingerprint is {values}; expected percentile_00_5 < percentile_99_5 and std > 0.")
    return values
