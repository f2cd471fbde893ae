"""Read the sequences of a case into the channels of one volume."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from ...errors import InputError
from ..volumes.dicom import GantryTilt, UnevenSlices
from ..volumes.grids import CheckSameGridd
from ..volumes.loading import LoadVolumed
from .sequence_case import require_complete
from .sequence_names import sequence_of
from .sequences import sequences_beside


def _described(images: Any) -> str:
    """Describe the value of 'image', without the voxels of images in memory."""
    if isinstance(images, (list, tuple)):
        return f"a list of {len(images)} ({', '.join(dict.fromkeys(type(one).__name__ for one in images))})"
    if isinstance(images, Mapping):
        return f"a mapping of {', '.join(map(str, images)) or 'nothing'}"
    return repr(str(images)) if isinstance(images, (str, Path)) else f"a {type(images).__name__}"


class LoadSequencesd(MapTransform):
    """Read the sequences of a case from {sequence: path} into one `MetaTensor` [C, X, Y, Z]; they must share a grid.

    Channels are in the order of ``sequences``, whatever the order of the mapping; outputs take grid and source file
    from the first one. Instead of the mapping, one of the files may represent the case, see `sequences_beside`; outputs
    then refer to that file.

    Args:
        keys: items of the case with the mapping, or a file.
        sequences: names of the channels.
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
        self._load = LoadVolumed(
            self.sequences,
            label_keys=(),
            gantry_tilt=gantry_tilt,
            uneven_slices=uneven_slices,
            spacing_mm=spacing_mm,
        )
        self._same_grid = CheckSameGridd(self.sequences)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            require_complete([case])
            case[key] = self._read(case[key], case)
        return case

    def _read(self, paths: Any, case: Mapping[Hashable, Any]) -> MetaTensor:
        opened = self.sequences[0]
        if isinstance(paths, (str, Path)):
            opened = sequence_of(paths)[1] or opened
            found = sequences_beside(paths, sequences=self.sequences)
            require_complete([found])
            paths, case = found["image"], {**case, "case_id": found["case_id"]}
        if opened not in self.sequences or not isinstance(paths, Mapping) or set(self.sequences) - set(paths):
            raise InputError(
                f"case {case.get('case_id', '?')}: 'image' is {_described(paths)}; expected a file for each of "
                f"{', '.join(self.sequences)}, as list_sequence_cases returns, or a MetaTensor for each by name"
            )
        chosen: dict[Hashable, Any] = {name: paths[name] for name in self.sequences}
        if "modality" in case:  # the tags of DICOM files must match it
            chosen["modality"] = case["modality"]
        volumes = self._same_grid(self._load(chosen))
        first = volumes[opened]
        voxels = torch.from_numpy(np.concatenate([volumes[name].numpy() for name in self.sequences]))
        meta = {key: value for key, value in first.meta.items() if key != "affine"}
        return MetaTensor(voxels, affine=first.affine, meta=meta)
