"""A folder of images with a table of their labels, whose columns the user names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from .found_files import folder_of, with_files
from .image_set import ImageModality, ImageSet, Sample, Split
from .naming import first_few
from .splits import DEFAULT_FRACTIONS, DEFAULT_VAL_FRACTION, carve_validation, fractions_of, split_samples
from .tables import Row, find_patient_column, flag, patient_in, read_table

_SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def read_labelled_table(
    root: str | Path,
    *,
    table: str | Path,
    path_column: str,
    class_column: str | None = None,
    label_columns: Sequence[str] | None = None,
    patient_column: str | None = None,
    split_column: str | None = None,
    fractions: Sequence[float] | None = None,
    val_fraction: float | None = None,
    seed: int = 0,
    dimensions: int = 2,
    modality: ImageModality = "picture",
    allow_missing: bool = False,
    allow_same_patient: bool = False,
) -> ImageSet:
    """A set from a CSV file and the images that it lists.

    Without a column of splits, patients are split by ``fractions`` (0.7, 0.1, 0.2); with one that knows train and test
    alone, ``val_fraction`` (0.1) of the training samples become validation, by patient.

    Args:
        root: folder that the paths of the table start from.
        table: the CSV file, below ``root`` unless absolute.
        path_column: paths of the images; a sample's id is this path.
        class_column: one class a row; classes are numbered in the order of their names, whole numbers by value.
        label_columns: instead of it, several columns of 0 and 1.
        patient_column: patients; None: the column ``patient`` or ``patient_id``, else each row is one of its own but
            for names that say otherwise, as in BraTS (`patient_of_name`).
        split_column: train, val and test, or training, valid, validation, dev, testing, in either case.
        fractions: shares of train, val and test, only without ``split_column``.
        val_fraction: share of training, only where ``split_column`` has no validation.
        seed: of splits that are made here; the table's own are not changed.
        dimensions: 2, or 3 for volumes that `LoadVolumed` reads.
        modality: "picture" for 2; "ct" or "mr" for 3.
        allow_missing: leave out images that are not there, with a warning.
        allow_same_patient: see `ImageSet`.

    Raises:
        InputError: options that contradict each other, a column or file that is missing, a cell that cannot be used,
            or see `ImageSet`.
    """
    table = folder_of(root) / Path(table).expanduser()
    if (dimensions, modality) not in ((2, "picture"), (3, "ct"), (3, "mr")):
        raise InputError(
            f"{table}: dimensions is {dimensions} and modality {modality!r}; expected 2 and 'picture', or 3 and 'ct' "
            "or 'mr'."
        )
    labelled = samples_of_table(
        root,
        table=table,
        path_column=path_column,
        class_column=class_column,
        label_columns=label_columns,
        patient_column=patient_column,
        split_column=split_column,
        fractions=fractions,
        val_fraction=val_fraction,
        seed=seed,
        allow_missing=allow_missing,
    )
    return ImageSet(
        name=labelled.name,
        samples=labelled.samples,
        label_names=labelled.label_names,
        multi_label=labelled.multi_label,
        dimensions=3 if dimensions == 3 else 2,
        modality=modality,
        allow_same_patient=allow_same_patient,
    )


@dataclass(frozen=True, kw_only=True)
class LabelledSamples:
    """What a table says, see `ImageSet`."""

    name: str
    samples: tuple[Sample, ...]
    label_names: tuple[str, ...]
    multi_label: bool


def samples_of_table(
    root: str | Path,
    *,
    table: str | Path,
    path_column: str,
    class_column: str | None,
    label_columns: Sequence[str] | None,
    patient_column: str | None,
    split_column: str | None,
    fractions: Sequence[float] | None,
    val_fraction: float | None,
    seed: int,
    allow_missing: bool,
) -> LabelledSamples:
    """The part of `read_labelled_table` that does not ask what is in the files."""
    folder = folder_of(root)
    path = folder / Path(table).expanduser()
    _check_labels(path, class_column, label_columns)
    _check_shares(path, split_column, fractions, val_fraction)
    columns = [class_column] if class_column else list(label_columns or ())
    patient_column = find_patient_column(path, patient_column)
    rows = read_table(path, [c for c in (path_column, *columns, patient_column, split_column) if c])
    names, labels = _classes(rows, class_column) if class_column else (columns, _flags(rows, columns, path))
    samples = [
        Sample(
            sample_id=row.cells[path_column],
            image=str(folder / row.cells[path_column]),
            index=None,
            patient=patient_in(row, patient_column, path_column),
            split=_split(row, split_column, path) if split_column else "train",
            labels=of_row,
        )
        for row, of_row in zip(rows, labels, strict=True)
    ]
    samples = with_files(samples, table=path, allow_missing=allow_missing)
    multi_label, name = class_column is None, path.stem
    if split_column is None:
        shares = fractions_of(DEFAULT_FRACTIONS if fractions is None else fractions)
        samples = split_samples(samples, fractions=shares, seed=seed, multi_label=multi_label, name=name)
    elif any(sample.split == "val" for sample in samples):
        if val_fraction is not None:
            raise InputError(f"{path}: val_fraction is {val_fraction}, but {split_column!r} names validation. Drop it.")
    else:
        share = DEFAULT_VAL_FRACTION if val_fraction is None else val_fraction
        samples = carve_validation(samples, val_fraction=share, seed=seed, multi_label=multi_label, name=name)
    return LabelledSamples(name=name, samples=tuple(samples), label_names=tuple(names), multi_label=multi_label)


def _check_labels(path: Path, class_column: str | None, label_columns: Sequence[str] | None) -> None:
    if bool(class_column) == bool(label_columns) or isinstance(label_columns, str):
        raise InputError(
            f"{path}: class_column is {class_column!r} and label_columns {label_columns!r}; expected either the column "
            "of one class, or a list of columns of 0 and 1."
        )


def _check_shares(
    path: Path, split_column: str | None, fractions: Sequence[float] | None, val_fraction: float | None
) -> None:
    if split_column and fractions is not None:
        raise InputError(f"{path}: fractions are given and the column {split_column!r} of splits too. Drop one.")
    if not split_column and val_fraction is not None:
        raise InputError(f"{path}: val_fraction is given without split_column. Give fractions of all three splits.")


def _classes(rows: Sequence[Row], column: str) -> tuple[list[str], list[tuple[int, ...]]]:
    """Names of the classes, whole numbers by value and others by name, and the number of each row's."""
    found = {row.cells[column] for row in rows}
    names = sorted(found, key=int) if all(name.isdecimal() for name in found) else sorted(found)
    number = {name: k for k, name in enumerate(names)}
    return names, [(number[row.cells[column]],) for row in rows]


def _flags(rows: Sequence[Row], columns: Sequence[str], path: Path) -> list[tuple[int, ...]]:
    return [tuple(flag(row, column, path) for column in columns) for row in rows]


def _split(row: Row, column: str, path: Path) -> Split:
    try:
        return _SPLIT_NAMES[row.cells[column].lower()]
    except KeyError:
        raise InputError(
            f"{path}: row {row.number}: {column!r} is {row.cells[column]!r}; expected one of "
            f"{first_few(list(_SPLIT_NAMES), len(_SPLIT_NAMES))}."
        ) from None
