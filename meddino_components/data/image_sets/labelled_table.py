"""A folder of images with a table of their labels, whose columns the user names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from ...errors import InputError
from ...wording import first_few
from .found_files import folder_of, with_files
from .image_set import ImageModality, ImageSet, Sample, Split
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


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """Columns of a CSV file, and the split of samples if no column states it.

    Without a column of splits, patients are split by ``fractions`` (0.7, 0.1, 0.2). If the column names train and test
    alone, ``val_fraction`` (0.1) of the training samples become validation, by patient.

    Args:
        table: CSV file, below the set's folder unless absolute.
        path_column: column of the images' paths; a sample's id is this path.
        class_column: column of the class, one per row; classes are numbered in the order of their names, whole numbers
            by value.
        label_columns: columns of 0 and 1, in place of ``class_column``.
        patient_column: column of the patients; None takes ``patient`` or ``patient_id``. Without such a column each row
            is a patient of its own, unless the names say otherwise, as in BraTS (`patient_of_name`).
        split_column: column of train, val and test, or training, valid, validation, dev, testing, in either case.
        fractions: shares of train, val and test, only without ``split_column``.
        val_fraction: share of training, only if ``split_column`` has no validation.
        seed: seed for splits that are made here.
        allow_missing: whether to leave out missing images with a warning.
        allow_same_patient: whether a patient may be on several sides, see `ImageSet`.
    """

    table: str | Path
    path_column: str
    class_column: str | None = None
    label_columns: Sequence[str] | None = None
    patient_column: str | None = None
    split_column: str | None = None
    fractions: Sequence[float] | None = None
    val_fraction: float | None = None
    seed: int = 0
    allow_missing: bool = False
    allow_same_patient: bool = False


def read_labelled_table(
    root: str | Path, options: TableOptions, *, dimensions: int = 2, modality: ImageModality = "picture"
) -> ImageSet:
    """Read a set from a CSV file and the images that it lists.

    Args:
        root: folder to which the paths of the table are relative.
        options: columns of the table, and its split.
        dimensions: number of dimensions: 2, or 3 for volumes that `LoadVolumed` reads.
        modality: modality: "picture" for 2 dimensions, "ct" or "mr" for 3.

    Raises:
        InputError: options contradict each other, a column or file is missing, a cell cannot be used, or see
            `ImageSet`.
    """
    if (dimensions, modality) not in ((2, "picture"), (3, "ct"), (3, "mr")):
        raise InputError(
            f"{_table_of(root, options)}: dimensions is {dimensions} and modality {modality!r}; expected 2 and "
            "'picture', or 3 and 'ct' or 'mr'."
        )
    return ImageSet(
        **samples_of_table(root, options),
        dimensions=3 if dimensions == 3 else 2,
        modality=modality,
        allow_same_patient=options.allow_same_patient,
    )


class LabelledSamples(TypedDict):
    """Arguments of `ImageSet` that a table states."""

    name: str
    samples: tuple[Sample, ...]
    label_names: tuple[str, ...]
    multi_label: bool


def samples_of_table(root: str | Path, options: TableOptions) -> LabelledSamples:
    """Return the part of `read_labelled_table` that does not depend on the contents of the images."""
    path, class_column, split_column = _table_of(root, options), options.class_column, options.split_column
    _check_labels(path, class_column, options.label_columns)
    _check_shares(path, split_column, options.fractions, options.val_fraction)
    columns = [class_column] if class_column else list(options.label_columns or ())
    patient_column = find_patient_column(path, options.patient_column)
    rows = read_table(path, [c for c in (options.path_column, *columns, patient_column, split_column) if c])
    names, labels = _classes(rows, class_column) if class_column else (columns, _flags(rows, columns, path))
    samples = [
        Sample(
            sample_id=row.cells[options.path_column],
            image=str(folder_of(root) / row.cells[options.path_column]),
            index=None,
            patient=patient_in(row, patient_column, options.path_column),
            split=_split(row, split_column, path) if split_column else "train",
            labels=of_row,
        )
        for row, of_row in zip(rows, labels, strict=True)
    ]
    samples = with_files(samples, table=path, allow_missing=options.allow_missing)
    samples = _with_splits(samples, path, options)
    return {
        "name": path.stem,
        "samples": tuple(samples),
        "label_names": tuple(names),
        "multi_label": class_column is None,
    }


def _table_of(root: str | Path, options: TableOptions) -> Path:
    return folder_of(root) / Path(options.table).expanduser()


def _with_splits(samples: list[Sample], path: Path, options: TableOptions) -> list[Sample]:
    """Samples with the splits that the table does not state."""
    given: dict[str, Any] = {"seed": options.seed, "multi_label": options.class_column is None, "name": path.stem}
    if options.split_column is None:
        shares = fractions_of(DEFAULT_FRACTIONS if options.fractions is None else options.fractions)
        return split_samples(samples, fractions=shares, **given)
    if not any(sample.split == "val" for sample in samples):
        share = DEFAULT_VAL_FRACTION if options.val_fraction is None else options.val_fraction
        return carve_validation(samples, val_fraction=share, **given)
    if options.val_fraction is not None:
        raise InputError(
            f"{path}: val_fraction is {options.val_fraction}, but {options.split_column!r} names validation. Drop it."
        )
    return samples


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
