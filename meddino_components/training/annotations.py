"""Training that MONAI Label starts from what annotators drew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..data.volumes.modality import series_beside
from ..errors import InputError


def from_annotators(
    cases: Sequence[Mapping[str, Any]],
    model_path: str | Path,
    *,
    validation_cases: Sequence[Mapping[str, Any]] = (),
) -> bool:
    """Whether the cases come from MONAI Label, which gives paths alone; those of a data set have a ``case_id``.

    Label then loads ``model_path`` into the network and trains it further, so neither the encoder's first weights nor
    a checkpoint of another run have a part in it.

    Args:
        cases: training cases.
        model_path: the bundle's weights.
        validation_cases: validation cases of the same annotators, or the bundle's own.

    Raises:
        InputError: no model to train further: Label would train random weights without a word; or labels that Label
            made of a DICOM SEG.
    """
    if any("case_id" in case for case in cases):
        return False
    if not Path(model_path).is_file():
        raise InputError(
            f"{model_path}: no such file; MONAI Label trains a bundle's model further. Download the bundle's weights, "
            "or fine-tune it first, see docs/monai_label.md"
        )
    for case in (*cases, *validation_cases):
        _check_drawn(case)
    return True


def _check_drawn(case: Mapping[str, Any]) -> None:
    """Refuse labels that were not drawn but made of a DICOM SEG, where label 6 may be segment 1.

    Label writes them as NRRD beside a cached series, and nothing else: it overwrites a drawn NRRD there.
    """
    image, label = (Path(str(case.get(key, ""))) for key in ("image", "label"))
    if label.suffix == ".nrrd" and series_beside(image):
        raise InputError(
            f"{label}: made of a DICOM SEG, which numbers the segments that it holds 1, 2, 3, whatever their labels "
            f"are; expected labels as they were drawn. Submit the labels of {image.name.removesuffix('.nii.gz')} to "
            "this server again, or delete their SEG from the DICOMweb server, see docs/monai_label.md"
        )
