"""NIH ChestX-ray14 as downloaded: radiographs with up to 14 findings taken from reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ...errors import InputError
from ...wording import counted, first_few
from .found_files import chosen_labels, folder_of, with_files
from .image_set import ImageSet, Sample, Split
from .splits import DEFAULT_VAL_FRACTION, carve_validation
from .tables import Row, read_list, read_table

FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
)
_NAME = "ChestX-ray14"
_NONE = "No Finding"
_TABLES = ("Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv")
_IMAGE, _LABELS, _PATIENT = "Image Index", "Finding Labels", "Patient ID"


def read_chest_xray14(
    root: str | Path,
    *,
    labels: Sequence[str] | None = None,
    val_fraction: float = DEFAULT_VAL_FRACTION,
    seed: int = 0,
    allow_missing: bool = False,
) -> ImageSet:
    """ChestX-ray14 with its official test patients; validation is carved from the others by patient.

    Args:
        root: holds Data_Entry_2017.csv, train_val_list.txt, test_list.txt, and images/ or images_001/images/ and so on.
        labels: some of `FINDINGS`; None: all 14. An image with none of them has only zeros.
        val_fraction: share of the training samples for validation.
        seed: seed for choosing the validation patients.
        allow_missing: leave out images that are not there, with a warning.

    Raises:
        InputError: a file or folder is missing, a finding or image is unknown, or see `ImageSet`.

    Reference:
        Wang et al., ChestX-ray8, CVPR 2017.
    """
    folder = folder_of(root)
    table = next((folder / name for name in _TABLES if (folder / name).exists()), folder / _TABLES[0])
    names = chosen_labels(FINDINGS, labels, _NAME)
    rows = read_table(table, (_IMAGE, _LABELS, _PATIENT))
    split_of = _official_splits(folder, rows)
    images = _find_images(folder)
    samples = [
        Sample(
            sample_id=row.cells[_IMAGE],
            image=images.get(row.cells[_IMAGE], str(folder / "images" / row.cells[_IMAGE])),
            index=None,
            patient=row.cells[_PATIENT],
            split=split_of[row.cells[_IMAGE]],
            labels=_findings(row, names, table),
        )
        for row in rows
    ]
    samples = with_files(samples, table=table, allow_missing=allow_missing)
    samples = carve_validation(samples, val_fraction=val_fraction, seed=seed, multi_label=True, name=_NAME)
    return ImageSet(
        name=_NAME, samples=tuple(samples), label_names=names, multi_label=True, dimensions=2, modality="picture"
    )


def _official_splits(folder: Path, rows: Iterable[Row]) -> dict[str, Split]:
    lists: dict[Split, Path] = {"train": folder / "train_val_list.txt", "test": folder / "test_list.txt"}
    split_of: dict[str, Split] = {}
    for split, path in lists.items():
        listed = read_list(path)
        if both := [image for image in listed if image in split_of]:
            raise InputError(
                f"{path}: {counted(len(both), 'image')} also listed in train_val_list.txt: {first_few(both)}."
            )
        split_of |= dict.fromkeys(listed, split)
    in_table = [row.cells[_IMAGE] for row in rows]
    if unlisted := [image for image in in_table if image not in split_of]:
        raise InputError(
            f"{folder}: {counted(len(unlisted), 'image')} of the table in neither train_val_list.txt nor "
            f"test_list.txt: {first_few(unlisted)}. Download the lists and the table again."
        )
    if unknown := sorted(set(split_of) - set(in_table)):
        raise InputError(
            f"{folder}: {counted(len(unknown), 'image')} of the lists without a row in the table: "
            f"{first_few(unknown)}. Download the lists and the table again."
        )
    return split_of


def _find_images(folder: Path) -> dict[str, str]:
    """Name to path of what lies in the folders of images."""
    folders = [folder / "images", *sorted(folder.glob("images_*/images")), *sorted(folder.glob("images_*"))]
    return {file.name: str(file) for place in folders if place.is_dir() for file in place.iterdir()}


def _findings(row: Row, names: Sequence[str], table: Path) -> tuple[int, ...]:
    found = {text.strip() for text in row.cells[_LABELS].split("|")}
    if unknown := sorted(found - {*FINDINGS, _NONE}):
        raise InputError(
            f"{table}: row {row.number}: finding {unknown[0]!r}; expected some of {', '.join(FINDINGS)} or {_NONE}."
        )
    if _NONE in found and len(found) > 1:
        raise InputError(f"{table}: row {row.number}: {row.cells[_LABELS]!r} says a finding and none. Correct it.")
    return tuple(int(name in found) for name in names)
