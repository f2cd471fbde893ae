"""Apply the steps of each organ, or region, to the label map of a whole case. H rows, W columns, D slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...data.volumes.joint_box import joint_box
from ...data.volumes.partial_labels import numbered_names
from ...data.volumes.regions import Regions
from ...errors import InputError
from ...near_names import near_name
from .step import Mask, PostprocessingStep

OrganSteps = Mapping[str, Sequence[PostprocessingStep]]
LabelNames = Sequence[str] | Mapping[int, str]


@dataclass(frozen=True)
class Structure:
    """An organ or a region of a label map.

    Attributes:
        name: name of the organ or region.
        members: labels that form it.
        written: label of the voxels that a step adds.
        outside: label of the voxels that a step removes: the background, or the region around.
        fills_labels: whether added voxels may replace other labels than the background.
    """

    name: str
    members: tuple[int, ...]
    written: int
    outside: int = 0
    fills_labels: bool = False

    def mask(self, labels: NDArray[np.integer[Any]]) -> Mask:
        """Return the mask of the structure in a label map."""
        mask = labels == self.members[0]
        for label in self.members[1:]:
            mask |= labels == label
        return np.asarray(mask)

    def changed(self, labels: NDArray[np.integer[Any]], steps: Sequence[PostprocessingStep], voxel_ml: float) -> Mask:
        """Return the mask of the structure after steps.

        Args:
            labels: labels [h, w, d] in a box that holds the structure.
            steps: steps, the first one first.
            voxel_ml: volume of a voxel in ml.
        """
        before = after = self.mask(labels)
        for step in steps:
            after = step(after, voxel_ml)
        if self.fills_labels or not steps:
            return after
        return np.asarray(after & (before | (labels == 0)))


def structures_of(label_names: LabelNames, regions: Regions | None = None) -> list[Structure]:
    """Return the organs in the order of their labels, or the regions from the outermost to the innermost."""
    if regions is None:
        return [Structure(name, (label,), label) for label, name in numbered_names(label_names).items()]
    # what a step takes from a region is part of the region around it, so regions stay nested
    around = (0, *regions.written[:-1])
    parts = zip(regions.names, regions.members, regions.written, around, strict=True)
    return [Structure(name, members, written, outside, fills_labels=True) for name, members, written, outside in parts]


def check_steps(steps: Any, structures: Sequence[Structure], what: str) -> dict[str, tuple[PostprocessingStep, ...]]:
    """Return the steps of each organ that has any, once all are steps of organs that exist.

    Args:
        steps: steps by the name of the organ or region.
        structures: organs or regions of the label map.
        what: where the steps come from, for messages.

    Raises:
        InputError: an organ is unknown, or something is not a step.
    """
    names = [structure.name for structure in structures]
    checked = {}
    for organ, of_organ in steps.items():
        if organ not in names:
            near = near_name(organ, names)
            hint = f"did you mean {near!r}? " if near else ""
            raise InputError(f"{what} names {organ!r}: {hint}expected one of {', '.join(names)}")
        found = of_organ if isinstance(of_organ, Sequence) and not isinstance(of_organ, str) else [of_organ]
        for step in found:
            if not isinstance(step, PostprocessingStep):
                raise InputError(
                    f"{what} has {step!r:.80} for {organ!r}; expected a list of steps, such as "
                    "[{'_target_': 'meddino_components.inference.LargestComponent'}]"
                )
        if found:
            checked[organ] = tuple(found)
    return checked


def postprocess_labels(
    labels: NDArray[np.uint8], steps: OrganSteps, structures: Sequence[Structure], *, voxel_ml: float
) -> None:
    """Change a label map in place. Organs without steps are not looked at, and no other label changes.

    The organs take turns in the order of ``structures``, each on the label map that the previous one left. A step sees
    only the smallest box that holds its organ, and one voxel more.

    Args:
        labels: label map [H, W, D].
        steps: steps by the name of the organ or region, see `check_steps`.
        structures: organs or regions of the label map, see `structures_of`.
        voxel_ml: volume of a voxel in ml.
    """
    wanted = [structure for structure in structures if steps.get(structure.name)]
    if not wanted:
        return
    # in the order of memory, in which scipy is several times faster; it matters to no step which axis is which
    labels = labels.transpose(np.argsort(np.abs(labels.strides))[::-1])
    found = ndimage.find_objects(labels, max_label=max(label for structure in wanted for label in structure.members))
    for structure in wanted:
        part = labels[joint_box([found[label - 1] for label in structure.members])]
        if part.size:
            _change(part, structure, steps[structure.name], voxel_ml)


def _change(
    labels: NDArray[np.uint8], structure: Structure, steps: Sequence[PostprocessingStep], voxel_ml: float
) -> None:
    before = structure.mask(labels)
    after = structure.changed(labels, steps, voxel_ml)
    labels[before & ~after] = structure.outside
    labels[after & ~before] = structure.written
