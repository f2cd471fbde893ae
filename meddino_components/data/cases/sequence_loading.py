"""Read the sequences or other channels of a case, such as CT and PET, into one volume."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from ...errors import InputError
from ..volumes.channel_modality import parse_channel_modality
from ..volumes.dicom import GantryTilt, UnevenSlices
from ..volumes.grids import CheckSameGridd
from ..volumes.loading import LoadVolumed, check_problem, load_channels
from .sequence_case import require_complete
from .sequence_names import channel_key, sequence_of
from .sequences import sequences_beside


def _described(images: Any) -> str:
    """Describe the value of 'image', without the voxels of images in memory."""
    if isinstance(images, (list, tuple)):
        return f"a list of {len(images)} ({', '.join(dict.fromkeys(type(one).__name__ for one in images))})"
    if isinstance(images, Mapping):
        return f"a mapping of {', '.join(map(str, images)) or 'nothing'}"
    return repr(str(images)) if isinstance(images, (str, Path)) else f"a {type(images).__name__}"


class LoadSequencesd(MapTransform):
    """Read the channels of a case from {channel: path} into one `MetaTensor` [C, X, Y, Z]; they must share a grid.

    Channels are in the order of ``sequences``, whatever the order of the mapping; outputs take grid and source file
    from the first one. Spellings of a sequence are equal, see `channel_key`; channels that ``sequences`` does not name
    are not read. A file with all channels along its fourth axis has their names in the case's "channels". Instead of
    the mapping, one of the files may represent the case, see `sequences_beside`; outputs then refer to that file.

    The case's "modality" may be a mapping from channel to modality; it is then in the order of ``sequences``.

    With one name in ``sequences`` this is `LoadVolumed`, and cases with several channels are refused.

    Args:
        keys: items of the case with the mapping, or a file.
        sequences: names of the channels; of one channel, any name.
        gantry_tilt: treatment of a gantry tilt in DICOM series, see `LoadVolumed`.
        uneven_slices: treatment of uneven slice distances in DICOM series, see `LoadVolumed`.
        spacing_mm: spacing of sequences whose header has none, see `LoadVolumed`.
        allow_missing_keys: whether to skip keys that the case lacks.

    Raises:
        InputError: the case has a ``problem``, a sequence is missing, a file cannot be read (see `LoadVolumed`), or
            grids differ.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        sequences: Sequence[str],
        gantry_tilt: GantryTilt = "refuse",
        uneven_slices: UnevenSlices = "refuse",
        spacing_mm: Sequence[float] | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.sequences = tuple(sequences)
        read = partial(
            LoadVolumed, label_keys=(), gantry_tilt=gantry_tilt, uneven_slices=uneven_slices, spacing_mm=spacing_mm
        )
        self._load_one = read(keys)
        self._load = {name: read(name) for name in self.sequences}
        self._same_grid = CheckSameGridd(self.sequences)
        self.spacing_mm = spacing_mm

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        if len(self.sequences) == 1:
            self._check_one_channel(case)
            return self._load_one(case)
        for key in self.key_iterator(case):
            require_complete([case])
            case[key] = self._read(case[key], case)
        if isinstance(case.get("modality"), Mapping):
            case["modality"] = self._in_order(case)
        return case

    def _check_one_channel(self, case: Mapping[Hashable, Any]) -> None:
        check_problem(case)
        for key in self.key_iterator(dict(case)):
            names = case[key] if isinstance(case[key], Mapping) else case.get("channels")
            if names:
                raise InputError(
                    f"case {case.get('case_id', '?')}: has the channels {', '.join(map(str, names))}, but the network "
                    f"has one, {self.sequences[0]}. Set channel_names to the channels to use, such as "
                    f"{list(map(str, names))}"
                )

    def _in_order(self, case: Mapping[Hashable, Any]) -> dict[str, Any]:
        name = f"case {case.get('case_id', '?')}: modality"
        stated = {str(channel): modality for channel, modality in case["modality"].items()}
        of_key = {channel_key(channel): parse_channel_modality(one, name) for channel, one in stated.items()}
        if missing := [channel for channel in self.sequences if channel_key(channel) not in of_key]:
            raise InputError(
                f"{name} is {stated}; expected one for each of {', '.join(self.sequences)}, but {missing[0]} is missing"
            )
        return {channel: of_key[channel_key(channel)] for channel in self.sequences}

    def _of_one_file(self, path: str | Path, case: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        names = [str(name) for name in case["channels"]]
        numbers = {channel_key(name): name for name in names}
        self._check_names(names, str(path))
        volumes = load_channels(path, names, spacing_mm=self.spacing_mm)
        return {name: volumes[numbers[channel_key(name)]] for name in self.sequences}

    def _check_names(self, names: Sequence[str], owner: str) -> None:
        known = set(map(channel_key, names))
        if missing := [name for name in self.sequences if channel_key(name) not in known]:
            raise InputError(
                f"{owner}: has the channels {', '.join(names)}; expected {', '.join(self.sequences)}, but {missing[0]} "
                "is missing. Correct channel_names, or give cases that have these channels"
            )

    def _read(self, paths: Any, case: Mapping[Hashable, Any]) -> MetaTensor:
        opened = self.sequences[0]
        if isinstance(paths, (str, Path)) and case.get("channels"):
            return self._joined(self._of_one_file(paths, case), opened)
        if isinstance(paths, (str, Path)):
            opened = sequence_of(paths)[1] or opened
            found = sequences_beside(paths, sequences=self.sequences)
            require_complete([found])
            paths, case = found["image"], {**case, "case_id": found["case_id"]}
        if isinstance(paths, Mapping):
            self._check_names(list(map(str, paths)), f"case {case.get('case_id', '?')}")
        known = {channel_key(str(name)): path for name, path in paths.items()} if isinstance(paths, Mapping) else {}
        if opened not in self.sequences or not known:
            raise InputError(
                f"case {case.get('case_id', '?')}: 'image' is {_described(paths)}; expected a file for each of "
                f"{', '.join(self.sequences)} by its name, or a MetaTensor for each by name"
            )
        chosen: dict[Hashable, Any] = {name: known[channel_key(name)] for name in self.sequences}
        return self._joined(self._same_grid(self._loaded(chosen, case)), opened)

    def _loaded(self, chosen: Mapping[Hashable, Any], case: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Read each channel; the tags of DICOM files must match its modality."""
        stated = case.get("modality")
        of_channel = self._in_order(case) if isinstance(stated, Mapping) else dict.fromkeys(self.sequences, stated)
        loaded: dict[Hashable, Any] = {}
        for name in self.sequences:
            one: dict[Hashable, Any] = {name: chosen[name]}
            if of_channel[name] is not None:
                one["modality"] = of_channel[name]
            loaded[name] = self._load[name](one)[name]
        return loaded

    def _joined(self, volumes: Mapping[Hashable, Any], opened: str) -> MetaTensor:
        first = volumes[opened]
        voxels = torch.from_numpy(np.concatenate([volumes[name].numpy() for name in self.sequences]))
        meta = {key: value for key, value in first.meta.items() if key != "affine"}
        return MetaTensor(voxels, affine=first.affine, meta=meta)
