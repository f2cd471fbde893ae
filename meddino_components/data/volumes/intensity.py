"""Normalise intensities by the rule for the modality of a volume, or of each of its channels."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from ...errors import InputError
from .channel_modality import CaseModality, ChannelModality, parse_case_modality
from .ct_or_mr import Modality
from .intensity_checks import check_intensities
from .intensity_statistics import clip_and_moments, marked_mr_statistics, rescaling
from .intensity_table import parse_fingerprint
from .marked_background import inside_patient


class NormalizeIntensityByModalityd(MapTransform):
    """Clip and scale volumes to zero mean and unit variance by the rule for their modality.

    CT: clip to a fixed window in HU, subtract a fixed mean, divide by a fixed standard deviation; from
    `INTENSITY_TABLE`, or from `fingerprint` (nnU-Net's per-data-set statistics, as written by `plan`).
    MR: per volume, see `mr_statistics`; `fingerprint` has no effect on it. With `background`, each channel is
        normalised by its own voxels inside the patient, see `marked_mr_statistics`; outside, values stay unchanged.

    Channels may have a modality each, {channel: modality} in the order of the channels: "ct" and "mr" as above, "pet"
    and "zscore" by mean and standard deviation of the channel, "rescale_to_0_1" by its lowest and highest value; a
    channel "nonorm" stays as it is. Several MR channels without ``background`` are normalised one by one.

    Float32 volumes are changed in place (a volume can take most of the memory), others are converted first.

    Args:
        keys: items with images, tensors of any shape; `MetaTensor` stays `MetaTensor`.
        modality: "ct", "mr" or a mapping as above; None uses the case's item "modality". It is never inferred.
        fingerprint: statistics {"percentile_00_5", "percentile_99_5", "mean", "std"} in HU.
        check_modality: whether to refuse intensities that contradict the modality.
        background: for MR, the value of voxels outside the patient in every channel (0 after skull-stripping), as the
            data set's layer states; None if not marked. It requires the same modality for all channels. If another
            value marks these voxels, it is found, see `inside_patient`.
        allow_missing_keys: whether to skip keys that the case lacks.

    Raises:
        InputError: the modality is unknown or contradictory, the fingerprint is incomplete, the intensities do not
            match the modality, or a volume has no contrast.

    Reference:
        Isensee et al., nnU-Net, Nature Methods 2021, CTNormalization, ZScoreNormalization.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        modality: str | Mapping[str, str] | None = None,
        fingerprint: Mapping[str, float] | None = None,
        check_modality: bool = True,
        background: float | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.modality = None if modality is None else parse_case_modality(modality, "modality")
        self.fingerprint = None if fingerprint is None else parse_fingerprint(fingerprint)
        self.check_modality = check_modality
        self.background = background

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        modality = self._modality_of(case)
        for key in self.key_iterator(case):
            case[key] = self._normalize(case[key], modality)
        return case

    def _modality_of(self, case: Mapping[Hashable, Any]) -> CaseModality:
        name = case.get("case_id", "?")
        stated = case.get("modality")
        if stated is None and self.modality is None:
            raise InputError(
                f"case {name}: no modality stated. Set `modality: ct` or `modality: mr` in the configuration, or give "
                "each case of the data list an item 'modality'."
            )
        if stated is None:
            return parse_case_modality(self.modality, "modality")
        of_case = parse_case_modality(stated, f"case {name}: modality")
        if self.modality not in (None, of_case):
            raise InputError(
                f"case {name}: the data list says '{of_case}', the configuration '{self.modality}'. Correct one "
                "of them or set `modality: null` to use the data list's."
            )
        return of_case

    def _normalize(self, volume: torch.Tensor, modality: CaseModality) -> torch.Tensor:
        volume = torch.as_tensor(volume) if not isinstance(volume, torch.Tensor) else volume
        volume = volume.to(torch.float32)
        voxels = volume.as_tensor() if isinstance(volume, MetaTensor) else volume
        name = str(volume.meta.get("filename_or_obj", "image")) if isinstance(volume, MetaTensor) else "image"
        if isinstance(modality, dict):
            self._normalize_channels(voxels, modality, name)
            return volume
        if modality == "mr" and self.background is None and len(voxels) > 1:
            self._normalize_channels(voxels, {f"channel {n}": modality for n in range(len(voxels))}, name)
            return volume
        self._normalize_whole(voxels, modality, name)
        return volume

    def _normalize_channels(self, voxels: torch.Tensor, modalities: Mapping[str, ChannelModality], name: str) -> None:
        if len(modalities) != len(voxels):
            raise InputError(
                f"{name}: has {len(voxels)} channels, but a modality for {', '.join(modalities)}; expected one for "
                f"each channel."
            )
        if self.background is not None:
            raise InputError(
                f"{name}: background is {self.background:g}, which marks the outside of the patient in MR, but the "
                f"channels are {', '.join(f'{channel} ({one})' for channel, one in modalities.items())}. Set "
                f"`background: null`."
            )
        for channel, (channel_name, modality) in zip(voxels, modalities.items(), strict=True):
            where = f"{name}: {channel_name}"
            if modality == "ct" or modality == "mr":
                self._normalize_whole(channel[None], modality, where)
            else:
                offset, scale = rescaling(channel, modality, where)
                channel.sub_(offset).div_(scale)

    def _normalize_whole(self, voxels: torch.Tensor, modality: Modality, name: str) -> None:
        """Normalise all channels [C, ...] by one rule, in place."""
        if self.check_modality:
            check_intensities(voxels, modality, name)
        if modality == "mr" and self.background is not None:
            inside = inside_patient(voxels, self.background, name, must_be_marked=self.check_modality)
            for channel in voxels:
                low, high, mean, std = marked_mr_statistics(channel, inside, name)
                channel.clamp_(low, high).sub_(mean).div_(std)
            voxels[:, ~inside] = self.background
            return
        low, high, mean, std = clip_and_moments(voxels, modality, name, self.fingerprint)
        voxels.clamp_(low, high).sub_(mean).div_(std)  # shares memory with the volume
