"""CT-RATE as downloaded: chest CT volumes with 18 abnormalities taken from reports."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from ...wording import counted, first_few
from ..volumes.found_folders import is_left_over
from .found_files import chosen_labels, folder_of, with_files
from .image_set import ImageSet, Sample, Split
from .splits import DEFAULT_VAL_FRACTION, carve_validation
from .tables import flag, read_list, read_table

ABNORMALITIES = (
    "Medical material",
    "Arterial wall calcification",
    "Cardiomegaly",
    "Pericardial effusion",
    "Coronary artery wall calcification",
    "Hiatal hernia",
    "Lymphadenopathy",
    "Emphysema",
    "Atelectasis",
    "Lung nodule",
    "Lung opacity",
    "Pulmonary fibrotic sequela",
    "Pleural effusion",
    "Mosaic attenuation pattern",
    "Peribronchial thickening",
    "Consolidation",
    "Bronchiectasis",
    "Interlobular septal thickening",
)
_NAME = "CT-RATE"
_VOLUME = "VolumeName"
# train_1_a_1.nii.gz: patient train_1, scan a, reconstruction 1
_VOLUME_NAME = re.compile(r"((?:train|valid)_\d+)_([a-z]+)_\d+\.nii\.gz")
_PARTS: dict[str, Split] = {"train": "train", "valid": "test"}


def read_ct_rate(
    root: str | Path,
    *,
    labels: Sequence[str] | None = None,
    val_fraction: float = DEFAULT_VAL_FRACTION,
    seed: int = 0,
    allow_missing: bool = False,
) -> ImageSet:
    """CT-RATE; its "valid" part is the test split, validation is carved from its "train" part by patient.

    Folders ``train_fixed`` and ``valid_fixed`` come before ``train`` and ``valid``, whose first release lacked spacing
    and rescale in its headers: those are read with a warning. Volumes that ``no_chest_train.txt`` and
    ``no_chest_valid.txt`` list are left out where these files are there, with a warning. Files without a row are
    counted in a warning.

    Args:
        root: the folder "dataset" of the download, or the one that holds it.
        labels: some of `ABNORMALITIES`; None: all 18.
        val_fraction: share of the training samples for validation.
        seed: seed for choosing the validation patients.
        allow_missing: leave out volumes that are not there, with a warning.

    Raises:
        InputError: a table, folder or file is missing, a volume's name is of another form, or see `ImageSet`.

    Reference:
        Hamamci et al., arXiv:2403.17834.
    """
    folder = folder_of(root)
    folder = folder / "dataset" if (folder / "dataset").is_dir() else folder
    names = chosen_labels(ABNORMALITIES, labels, _NAME)
    samples = [
        sample
        for part, split in _PARTS.items()
        for sample in _read_part(folder, part, split, names, allow_missing=allow_missing)
    ]
    samples = carve_validation(samples, val_fraction=val_fraction, seed=seed, multi_label=True, name=_NAME)
    return ImageSet(
        name=_NAME, samples=tuple(samples), label_names=names, multi_label=True, dimensions=3, modality="ct"
    )


def _read_part(folder: Path, part: str, split: Split, names: Sequence[str], *, allow_missing: bool) -> list[Sample]:
    table = _first_of(folder, (f"multi_abnormality_labels/{part}_predicted_labels.csv", f"{part}_predicted_labels.csv"))
    volumes = _volume_folder(folder, part)
    samples = []
    for row in read_table(table, (_VOLUME, *names)):
        match = _VOLUME_NAME.fullmatch(row.cells[_VOLUME])
        if match is None or not match[1].startswith(part):
            raise InputError(
                f"{table}: row {row.number}: the volume is {row.cells[_VOLUME]!r}; expected a name such as "
                f"{part}_1_a_1.nii.gz. Download the table again."
            )
        patient, scan = match.groups()
        samples.append(
            Sample(
                sample_id=match[0].removesuffix(".nii.gz"),
                image=str(volumes / patient / f"{patient}_{scan}" / match[0]),
                index=None,
                patient=patient,
                split=split,
                labels=tuple(flag(row, name, table) for name in names),
            )
        )
    _warn_of_files_without_row(volumes, samples, table)
    samples = _without_other_regions(folder, part, samples)
    return with_files(samples, table=table, allow_missing=allow_missing)


def _volume_folder(folder: Path, part: str) -> Path:
    fixed, plain = folder / f"{part}_fixed", folder / part
    if fixed.is_dir():
        return fixed
    if not plain.is_dir():
        raise InputError(f"{fixed}: no such folder, nor {plain.name}. Give the folder 'dataset' of the download.")
    warnings.warn(
        f"{plain}: the headers of these files, as first released, lack spacing and rescale, so that intensities may "
        f"not be HU. Download {fixed.name} instead",
        stacklevel=5,
    )
    return plain


def _first_of(folder: Path, paths: Sequence[str]) -> Path:
    return next((folder / path for path in paths if (folder / path).exists()), folder / paths[0])


def _warn_of_files_without_row(volumes: Path, samples: Sequence[Sample], table: Path) -> None:
    listed = {sample.image for sample in samples}
    found = (path for path in volumes.rglob("*.nii.gz") if not is_left_over(path))
    others = sorted(str(path) for path in found if str(path) not in listed)
    if others:
        warnings.warn(
            f"{table}: leaving out {counted(len(others), 'file')} without a row: {first_few(others)}",
            stacklevel=5,
        )


def _without_other_regions(folder: Path, part: str, samples: Sequence[Sample]) -> list[Sample]:
    path = _first_of(folder, (f"metadata/no_chest_{part}.txt", f"no_chest_{part}.txt"))
    listed = {Path(line).name.removesuffix(".nii.gz") for line in read_list(path)} if path.exists() else set()
    kept = [sample for sample in samples if sample.sample_id not in listed]
    if len(kept) < len(samples):
        warnings.warn(f"{path}: {len(samples) - len(kept)} volumes are not of the chest and left out", stacklevel=5)
    return kept
