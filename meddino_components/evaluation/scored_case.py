"""One evaluated case: image, reference and prediction on the label's grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from monai.data import MetaTensor
from numpy.typing import NDArray

from ..data.volumes.grids import as_on_grid
from ..errors import InputError
from ..pictures.page_view import axcodes_of
from ..slice_planes import PLANES_IN_WORDS, SLICE_PLANES


@dataclass(frozen=True)
class ScoredCase:
    """Arrays of one case on the grid of its label.

    Args:
        case_id: id of the case.
        image: [C, H, W, D] in the preprocessed image's units.
        reference: [H, W, D] labels.
        prediction: [H, W, D] labels.
        spacing_mm: distance between rows, columns and slices.
        axcodes: directions in which rows, columns and slices run.
    """

    case_id: str
    image: NDArray[Any]
    reference: NDArray[Any]
    prediction: NDArray[Any]
    spacing_mm: list[float]
    axcodes: str


def scored_case(case: Mapping[str, Any]) -> ScoredCase:
    """Bring ``image`` and ``pred`` of a case onto the grid of its ``label``.

    Raises:
        InputError: there is no label, its orientation is none of `SLICE_PLANES`, or an array has channels that labels
            do not have or lies on another grid.
    """
    case_id = str(case.get("case_id", ""))
    label = case.get("label")
    if not isinstance(label, MetaTensor):
        raise InputError(f"case {case_id}: has no label to compare with. Evaluate cases with a reference")
    affine = label.affine.cpu().numpy()
    axcodes = axcodes_of(affine)
    if axcodes not in SLICE_PLANES:
        raise InputError(
            f"case {case_id}: the label has orientation {axcodes}; expected {PLANES_IN_WORDS}, by which the pictures "
            "are drawn. Put Orientationd with one of these axcodes into the preprocessing"
        )
    reference, prediction = (_on_grid(case[key], label, case_id, key)[0] for key in ("label", "pred"))
    image = _on_grid(case["image"], label, case_id, "image")
    spacing_mm = [float(s) for s in np.linalg.norm(affine[:3, :3], axis=0)]
    return ScoredCase(case_id, image, reference, prediction, spacing_mm, axcodes)


def _on_grid(volume: Any, label: MetaTensor, case_id: str, key: str) -> NDArray[Any]:
    """A volume as an array [C, H, W, D] on the label's grid."""
    if not isinstance(volume, MetaTensor) or volume.ndim != 4 or (volume.shape[0] != 1 and key != "image"):
        found = f"{type(volume).__name__} {tuple(getattr(volume, 'shape', ()))}"
        raise InputError(f"case {case_id}: '{key}' is {found}; expected a MetaTensor [1, H, W, D], labels not scores")
    affine, target = (np.asarray(v.affine.cpu(), dtype=np.float64) for v in (volume, label))
    try:
        channels = np.moveaxis(volume.as_tensor().cpu().numpy(), 0, -1)
        return np.moveaxis(as_on_grid(channels, affine, target, tuple(label.shape[1:])), -1, 0)
    except InputError as error:
        raise InputError(f"case {case_id}: '{key}' and 'label' lie on different grids: {error}") from error
