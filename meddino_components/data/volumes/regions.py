"""Define nested regions of a label map, such as whole tumour, tumour core and enhancing tumour.

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
from monai.utils import CommonKeys
from torch import Tensor

from ...errors import InputError
from ...ignored_label import IGNORE
from .loading import LoadVolumed
from .partial_labels import check_partial_labels


@dataclass(frozen=True, kw_only=True)
class Regions:
    """The meaning of labels as nested regions, each inside the previous one.

    Args:
        convention: name of the label convention, for messages.
        label_names: pairs (label, name) for each label except the background.
        names: names of the regions, from the outermost to the innermost.
        members: labels of each region.
        written: for each region, the label of voxels whose innermost region it is.
        note: advice about labels of another convention, for messages.

    Raises:
        ValueError: the regions are not nested, or a label belongs to none.
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
            raise ValueError(f"regions {self.members} with labels {self.written} are not nested")
        if set(self.members[0]) != {label for label, _ in self.label_names} or 0 in self.members[0]:
            raise ValueError("the outermost region must contain every label except the background")

    @property
    def num_labels(self) -> int:
        """Return the highest label + 1."""
        return max(self.members[0]) + 1

    def check(self, labels: np.ndarray[Any, Any], name: str) -> None:
        """Refuse a label map of another convention; voxels to `IGNORE` belong to each.

        Raises:
            InputError: the map has other labels; the message gives the file, the labels found and expected, and
                ``note``.
        """
        found = {int(value) for value in np.unique(labels)} - {0, IGNORE}
        if strange := sorted(found - set(self.members[0])):
            known = ", ".join(f"{label} ({text})" for label, text in self.label_names)
            raise InputError(
                f"{name}: contains label {', '.join(map(str, strange))}; '{self.convention}' expects {known}. "
                f"{self.note}"
            )

    def masks(self, labels: Tensor) -> Tensor:
        """Convert labels [1, ...] to boolean masks [R, ...]."""
        return torch.cat([torch.isin(labels, torch.tensor(m, device=labels.device)) for m in self.members])

    def known(self, annotated: Sequence[bool] | Tensor) -> list[bool]:
        """Return for each region whether all of its labels were annotated, by label [K]."""
        return [all(bool(annotated[label]) for label in labels) for labels in self.members]

    def innermost(self, labels: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Return for each voxel the number, from 1, of its innermost region; 0 outside."""
        table = np.zeros(256, np.uint8)
        for number, labels_of_region in enumerate(self.members, start=1):
            table[list(labels_of_region)] = number
        return table[labels]


def plain_regions(regions: Regions) -> dict[str, Any]:
    """Return regions as stored in a weight file's record, without the labels' names."""
    return {
        "convention": regions.convention,
        "names": list(regions.names),
        "members": [list(labels) for labels in regions.members],
        "written": list(regions.written),
    }


class LoadRegionLabelsd(MapTransform):
    """Read label maps (see `LoadVolumed`) and refuse those of another convention.

    "annotated" of the case names labels; it becomes a mask of them, see `partial_labels`.

    Args:
        keys: items of the case with paths.
        regions: regions of the stated convention.
        spacing_mm: spacing of files whose header has none, see `LoadVolumed`.
        allow_missing_keys: whether to skip keys that the case lacks.

    Raises:
        InputError: see `LoadVolumed`, `Regions.check` and `check_partial_labels`.
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
            labels, name = case[key].numpy(), str(case[key].meta["filename_or_obj"])
            self.regions.check(labels, name)
            if key == CommonKeys.LABEL:
                case |= check_partial_labels(labels, case, dict(self.regions.label_names), name)
        return case


class LabelsToRegionsd(MapTransform):
    """Convert label maps [1, ...] to masks of regions [R, ...] in float32, as MONAI's metrics expect.

    MONAI's `ConvertToMultiChannelBasedOnBratsClassesd` supports only two of the conventions in use.

    Args:
        keys: items with label maps.
        regions: regions that the labels form.
        allow_missing_keys: whether to skip keys that the case lacks.
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
