"""RSNA Pneumonia Detection Challenge (2018) as downloaded: radiographs with or without opacities of pneumonia."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from ...wording import first_few
from .found_files import folder_of, with_files
from .image_set import ImageSet, Sample
from .splits import DEFAULT_FRACTIONS, fractions_of, split_samples
from .tables import flag, read_table

MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
_NAME = "RSNA Pneumonia"
_TABLE, _IMAGES = "stage_2_train_labels.csv", "stage_2_train_images"


def read_rsna_pneumonia(
    root: str | Path,
    *,
    fractions: Sequence[float] = DEFAULT_FRACTIONS,
    seed: int = 0,
    allow_missing: bool = False,
) -> ImageSet:
    """Read the labelled radiographs of stage 2, split by patient; the challenge's test images have no labels.

    ``patientId`` names a radiograph, not a patient: the images are of NIH's ChestX-ray14, where a patient has several.
    RSNA's list of their names there (`MAPPING`), put into ``root``, gives the patients; without it there is a warning.

    Args:
        root: folder that contains stage_2_train_labels.csv and stage_2_train_images/<patientId>.dcm.
        fractions: shares of train, val and test.
        seed: seed for the split.
        allow_missing: whether to leave out missing images with a warning.

    Raises:
        InputError: a file is missing, rows of a radiograph contradict each other, or see `ImageSet`.

    Reference:
        Shih et al., Augmenting the National Institutes of Health Chest Radiograph Dataset with Expert Annotations of
        Possible Pneumonia, Radiology: Artificial Intelligence 2019.
    """
    folder = folder_of(root)
    shares = fractions_of(fractions)
    table = folder / _TABLE
    target_of = _targets(table)
    patient_of = _patients(folder, list(target_of))
    samples = [
        Sample(
            sample_id=image,
            image=str(folder / _IMAGES / f"{image}.dcm"),
            index=None,
            patient=patient_of[image],
            split="train",
            labels=(target,),
        )
        for image, target in target_of.items()
    ]
    samples = with_files(samples, table=table, allow_missing=allow_missing)
    samples = split_samples(samples, fractions=shares, seed=seed, multi_label=False, name=_NAME)
    return ImageSet(
        name=_NAME,
        samples=tuple(samples),
        label_names=("no pneumonia", "pneumonia"),
        multi_label=False,
        dimensions=2,
        modality="picture",
    )


def _targets(table: Path) -> dict[str, int]:
    """Radiograph to 0 or 1. A radiograph has a row for each box."""
    target_of: dict[str, int] = {}
    for row in read_table(table, ("patientId", "Target")):
        image, target = row.cells["patientId"], flag(row, "Target", table)
        if target_of.setdefault(image, target) != target:
            raise InputError(f"{table}: row {row.number}: {image} has Target 0 and 1. Download the table again.")
    return target_of


def _patients(folder: Path, images: Sequence[str]) -> dict[str, str]:
    path = folder / MAPPING
    if not path.exists():
        warnings.warn(
            f"{folder}: without {MAPPING} each radiograph counts as a patient of its own, though some patients have "
            "several: scores may come out too high. Download that file from RSNA's page of the challenge",
            stacklevel=3,
        )
        return {image: image for image in images}
    try:
        # names of ChestX-ray14: <patient>_<number>.png
        entries = json.loads(path.read_text(encoding="utf-8"))
        patient_of = {str(entry["subset_img_id"]): str(entry["img_id"]).split("_")[0] for entry in entries}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: cannot be read as a list of objects with 'subset_img_id' and 'img_id' ({error!r}). Download it "
            "again."
        ) from error
    if unknown := [image for image in images if image not in patient_of]:
        raise InputError(f"{path}: {len(unknown)} radiographs are not in it: {first_few(unknown)}. Download it again.")
    return patient_of
