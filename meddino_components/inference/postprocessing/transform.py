"""Post-processing as a transform of a case."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from ...data.volumes.regions import Regions
from .label_map_steps import LabelNames, OrganSteps, check_steps, postprocess_labels, structures_of


class PostprocessLabelsd(MapTransform):
    """Apply the steps of each organ, or region, to label maps [1, H, W, D].

    Args:
        keys: items with label maps, whose affine gives the volume of a voxel.
        steps: steps by the name of the organ or region; those without steps stay as they are.
        label_names: names by label, as a sequence (background first) or a mapping; not used with ``regions``.
        regions: nested regions that the labels form.
        allow_missing_keys: whether to skip keys that the case lacks.

    Raises:
        InputError: see `check_steps`.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        steps: OrganSteps,
        label_names: LabelNames,
        regions: Regions | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.structures = structures_of(label_names, regions)
        self.steps = check_steps(steps, self.structures, "postprocess")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        if not self.steps:
            return case
        for key in self.key_iterator(case):
            labels = case[key].detach().cpu().clone()
            plain = labels.as_tensor() if isinstance(labels, MetaTensor) else labels
            # a view: changing the array changes the tensor
            postprocess_labels(plain[0].numpy(), self.steps, self.structures, voxel_ml=_voxel_ml(labels))
            case[key] = labels
        return case


def _voxel_ml(labels: torch.Tensor) -> float:
    """Return the volume of a voxel; without an affine it is a cubic millimetre."""
    affine = np.asarray(labels.affine, dtype=np.float64) if isinstance(labels, MetaTensor) else np.eye(4)
    return abs(float(np.linalg.det(affine[:3, :3]))) / 1000
