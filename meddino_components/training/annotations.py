"""Check the cases of a training that MONAI Label starts from annotators' labels."""

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
    """Return whether the cases come from MONAI Label, which passes only paths; cases of a data set have a ``case_id``.

    MONAI Label then loads ``model_path`` into the network and continues its training. Neither pretrained weights of the
    encoder nor a checkpoint of another run are used.

    Args:
        cases: training cases.
        model_path: path of the bundle's weights.
        validation_cases: validation cases from the same annotators, or the bundle's own.

    Raises:
        InputError: ``model_path`` does not exist, so that MONAI Label would train random weights without a warning; or
            MONAI Label converted a label from a DICOM SEG.
    """
    if any("case_id" in case for case in cases):
        return False
    if not Path(model_path).is_file():
        raise InputError(
            f"{model_path}: no such file, but MONAI Label continues the training of the bundle's model. Download the "
            "bundle's weights or fine-tune it first, see docs/monai_label.md"
        )
    for case in (*cases, *validation_cases):
        _check_drawn(case)
    return True


def _check_drawn(case: Mapping[str, Any]) -> None:
    """Refuse labels that were converted from a DICOM SEG instead of drawn: label 6 may be segment 1 there.

    MONAI Label writes converted labels as NRRD next to a cached series, where every NRRD is a converted one: it
    overwrites drawn ones.
    """
    image, label = (Path(str(case.get(key, ""))) for key in ("image", "label"))
    if label.suffix == ".nrrd" and series_beside(image):
        raise InputError(
            f"{label}: converted from a DICOM SEG, which numbers its segments 1, 2, 3 whatever their labels are; "
            f"expected the labels as drawn. Submit the labels of {image.name.removesuffix('.nii.gz')} to this server "
            "again, or delete their SEG from the DICOMweb server, see docs/monai_label.md"
        )
