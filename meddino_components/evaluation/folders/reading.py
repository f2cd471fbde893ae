"""Read prediction, reference and scan of a case in one orientation, with the same numbers for the same structures.

X, Y, Z are the stored axes.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Orientation, Transform

from ...data.cases.layout import plain_name
from ...data.volumes.class_masks import read_class_masks
from ...data.volumes.grids import CheckSameGridd
from ...data.volumes.loading import LoadVolumed, as_meta_tensor
from ...errors import InputError
from ...ignored_label import IGNORE
from ...slice_planes import AXIAL
from ...wording import counted, first_few
from .named_labels import NamedLabels
from .structures import Structures


class ReadPairedd(Transform):
    """Read "image" (the prediction), "label" (the reference) and "scan", if the case has it.

    A class of the references without a mask in a case was not annotated in it: the case gets "annotated".

    Args:
        structures: what is scored.
        predictions: meaning of the numbers of the predictions; None for masks.
        references: meaning of the numbers of the references; None for masks.

    Attributes:
        notes: remarks on cases that have been read, for the report.

    Raises:
        InputError: a file cannot be read, has a label without a name, lies on another grid, or a prediction lacks the
            mask of a class.

    Returns:
        The case with "image" [2, X, Y, Z], the scan (0 without one) and the prediction, and "label" [1, X, Y, Z], in
        axial slices.
    """

    def __init__(
        self, *, structures: Structures, predictions: NamedLabels | None, references: NamedLabels | None
    ) -> None:
        self.structures = structures
        self.predictions, self.references = predictions, references
        self.notes: list[str] = []
        self._orient = Orientation(axcodes=AXIAL, labels=None)
        self._same_grid = CheckSameGridd()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        prediction, lacking = self._labels(
            case["image"], self.structures.predicted_as, self.predictions, "--prediction_labels"
        )
        if lacking:
            raise InputError(
                f"{_place(case['image'])}: has no mask of {lacking[0]}, which other cases have. Add it (an empty one "
                "if nothing was found)"
            )
        reference, lacking = self._labels(case["label"], self.structures.names, self.references, "--reference_labels")
        if lacking:
            names = [name for name in self.structures.names if name not in lacking]
            case["annotated"] = torch.tensor([True, *(name in names for name in self.structures.names)])
        found = self._beside(reference, prediction)
        scan = torch.zeros_like(found)
        if "scan" in case:
            scan = self._beside(reference, LoadVolumed("image")({**case, "image": case.pop("scan")})["image"])
        case["label"] = self._orient(reference)
        # what the author of the predictions did not annotate, either, counts neither for nor against
        ignored = found == IGNORE
        if bool(ignored.any()):
            found[ignored], case["label"][ignored] = 0, IGNORE
        case["image"] = MetaTensor(
            torch.cat([scan, found]), affine=case["label"].affine, meta=_without_affine(prediction)
        )
        return case

    def _beside(self, reference: MetaTensor, volume: MetaTensor) -> torch.Tensor:
        """Return a volume in axial slices, once it has the voxels of the reference, whose axes may be stored otherwise.

        Raises:
            InputError: it lies on another grid; the message has the shapes as stored.
        """
        turned = self._orient(volume)
        try:
            self._same_grid({"image": reference, "label": volume})
        except InputError as error:
            try:
                self._same_grid({"image": self._orient(reference), "label": turned})
            except InputError:
                raise error from None
        return turned.as_tensor().float()

    def _labels(
        self, volume: str | Mapping[str, str], names: Sequence[str], labels: NamedLabels | None, option: str
    ) -> tuple[MetaTensor, list[str]]:
        """Return a label map in the numbers of the structures, and the names of masks that are missing."""
        if isinstance(volume, Mapping):
            return self._from_masks(volume, names)
        assert labels is not None  # a label map of a folder of masks is refused before
        read = LoadVolumed("label", label_keys="label")({"label": volume})["label"]
        voxels = read.as_tensor().numpy()
        _check_known(voxels, labels, volume, option)
        table = self._table(names, labels)
        return MetaTensor(torch.from_numpy(table[voxels]), affine=read.affine, meta=_without_affine(read)), []

    def _table(self, names: Sequence[str], labels: NamedLabels) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Return the number of the structure that each number of a folder stands for."""
        table = np.zeros(256, np.uint8)
        for number, name in labels.names.items():
            if self.structures.regions:
                table[number] = number
            elif name in names:
                table[number] = list(names).index(name) + 1
        table[list(labels.ignored)] = IGNORE
        return table

    def _from_masks(self, masks: Mapping[str, str], names: Sequence[str]) -> tuple[MetaTensor, list[str]]:
        files = {plain_name(name): path for name, path in masks.items()}
        numbers = {
            number: files[plain_name(name)] for number, name in enumerate(names, start=1) if plain_name(name) in files
        }
        if not numbers:
            raise InputError(f"{_place(masks)}: has a mask of none of {', '.join(names)}. Complete the folder")
        voxels, affine, n_shared = read_class_masks(numbers)
        if n_shared:
            self.notes.append(
                f"{_place(masks)}: {counted(n_shared, 'voxel')} in several masks, counted for the last of their classes"
            )
            warnings.warn(self.notes[-1], stacklevel=2)
        read = as_meta_tensor(voxels, affine, _place(masks), is_label=True)
        return read, [name for number, name in enumerate(names, start=1) if number not in numbers]


def _check_known(voxels: np.ndarray[Any, Any], labels: NamedLabels, path: str, option: str) -> None:
    found = np.flatnonzero(np.bincount(voxels.reshape(-1), minlength=256)).tolist()
    if unknown := sorted(set(found) - {0} - set(labels.names) - set(labels.ignored)):
        known = ", ".join(f"{number} {name}" for number, name in sorted(labels.names.items()))
        raise InputError(
            f"{path}: contains label {first_few(unknown, 8)}; {labels.source} names {known:.300}. State the labels by "
            f"{option} (call what nobody annotated 'ignore'), or correct the label map"
        )


def _without_affine(volume: MetaTensor) -> dict[str, Any]:
    """Return the metadata for a tensor that gets its affine apart."""
    return {name: value for name, value in volume.meta.items() if name != "affine"}


def _place(volume: str | Mapping[str, str]) -> str:
    return volume if isinstance(volume, str) else str(Path(next(iter(volume.values()))).parent)
