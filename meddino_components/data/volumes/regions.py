"""Regions of a label map that hold each other, such as whole tumour, tumour core and enhancing tumour.

R regions, from the outermost to the innermost; H rows, W columns, D slices.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from torch import Tensor

from ...errors import InputError
from .loading import LoadVolumed


@dataclass(frozen=True, kw_only=True)
class Regions:
    """What the labels of a map mean, as regions each of which lies within the one before.

    Args:
        convention: name of the meaning, for messages.
        label_names: (label, name) of each label, the background left out.
        names: of the regions, from the outermost to the innermost.
        members: labels of each region.
        written: for each region, the label of a voxel whose innermost region it is.
        note: what to do about labels of another convention, for messages.

    Raises:
        ValueError: regions that do not lie within each other, or a label of none.
    """

    convention: str
    label_names: tuple[tuple[int, str], ...]
    names: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]
    written: tuple[int, ...]
    note: str = ""

    def __post_init__(self) -> None:
        inner = [*(set(m) for m in self.members[1:]), set()]
        nested = all(set(m) > i for m, i in zip(self.members, inner, strict=True))
        rings = [set(m) - i for m, i in zip(self.members, inner, strict=True)]
        if not nested or not all(label in ring for label, ring in zip(self.written, rings, strict=True)):
            raise ValueError(f"regions {self.members} with labels {self.written} do not lie within each other")
        if set(self.members[0]) != {label for label, _ in self.label_names} or 0 in self.members[0]:
            raise ValueError("the outermost region has to hold every label but the background")

    @property
    def num_labels(self) -> int:
        """Highest label + 1."""
        return max(self.members[0]) + 1

    def check(self, labels: np.ndarray[Any, Any], name: str) -> None:
        """Refuse a label map of another convention.

        Raises:
            InputError: names the file, the labels found and expected, and ``note``.
        """
        found = {int(value) for value in np.unique(labels)} - {0}
        if strange := sorted(found - set(self.members[0])):
            known = ", ".join(f"{label} ({text})" for label, text in self.label_names)
            raise InputError(
                f"{name}: holds label {', '.join(map(str, strange))}; expected by '{self.convention}': {known}. "
                f"{self.note}"
            )

    def masks(self, labels: Tensor) -> Tensor:
        """Labels [1, ...] to masks [R, ...] bool."""
        return torch.cat([torch.isin(labels, torch.tensor(m, device=labels.device)) for m in self.members])

    def innermost(self, labels: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """For each voxel the number, from 1, of the innermost region that holds it; 0 outside."""
        table = np.zeros(256, np.uint8)
        for number, labels_of_region in enumerate(self.members, start=1):
            table[list(labels_of_region)] = number
        return table[labels]


def plain_regions(regions: Regions) -> dict[str, Any]:
    """What a weight file's record keeps of them, the labels' names apart."""
    return {
        "convention": regions.convention,
        "names": list(regions.names),
        "members": [list(labels) for labels in regions.members],
        "written": list(regions.written),
    }


class LoadRegionLabelsd(MapTransform):
    """Read label maps (see `LoadVolumed`) and refuse those of another convention.

    Args:
        keys: items of the case that hold paths.
        regions: the convention stated for them.
        spacing_mm: of files whose header has none, see `LoadVolumed`.
        allow_missing_keys: skip keys that the case lacks.

    Raises:
        InputError: see `LoadVolumed` and `Regions.check`.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        regions: Regions,
        spacing_mm: Sequence[float] | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.regions = regions
        self._load = LoadVolumed(
            keys, label_keys=self.keys, spacing_mm=spacing_mm, allow_missing_keys=allow_missing_keys
        )

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = self._load(data)
        for key in self.key_iterator(case):
            self.regions.check(case[key].numpy(), str(case[key].meta["filename_or_obj"]))
        return case


class LabelsToRegionsd(MapTransform):
    """Label maps [1, ...] to masks of regions [R, ...] in float32, as MONAI's metrics take them.

    MONAI's `ConvertToMultiChannelBasedOnBratsClassesd` knows two of the conventions in use.

    Args:
        keys: label maps.
        regions: what the labels mean.
        allow_missing_keys: skip keys that the case lacks.
    """

    def __init__(self, keys: KeysCollection, *, regions: Regions, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.regions = regions

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            labels = case[key]
            plain = labels.as_tensor() if isinstance(labels, MetaTensor) else labels
            case[key] = self.regions.masks(plain).float()
        return case
