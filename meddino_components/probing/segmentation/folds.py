"""Training and test cases for segmentation: folds of a data set, or two given lists.

A case is {"image": path, "label": path, "case_id": str, "modality": "ct" | "mr" | "picture"} and, where several cases
are of one patient, "patient".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.data import partition_dataset

from ...data.cases.datasets import read_datalist
from ...data.cases.label_names import class_names
from ...data.cases.layouts import LAYOUTS, find_layout
from ...data.cases.patients import patient_of, shared_patients
from ...data.image_sets.picture_masks import read_mask_table
from ...data.volumes.partial_labels import require_whole_labels
from ...errors import InputError
from ...wording import counted

Case = Mapping[str, Any]
PICTURES = "picture_masks"


@dataclass(frozen=True)
class Fold:
    """Cases that decoders learn from, and cases on which they are scored."""

    name: str
    train: tuple[Case, ...]
    test: tuple[Case, ...]

    def __post_init__(self) -> None:
        """Raise InputError if cases cannot be told apart or lack annotations, or an image is in training and test."""
        require_whole_labels((*self.train, *self.test), "decoders of frozen maps")
        files: dict[str, tuple[str, str]] = {}
        for case in (*self.train, *self.test):
            if missing := [key for key in ("image", "label", "case_id", "modality") if key not in case]:
                raise InputError(f"{self.name}: the case {dict(case)} has no {', '.join(missing)}. Complete it.")
            own, name = (str(case["image"]), str(case["label"])), str(case["case_id"])
            if files.setdefault(name, own) != own:
                raise InputError(
                    f"{self.name}: case_id {name} stands for {files[name][0]} and for {own[0]}. Give each case one of "
                    "its own."
                )
        shared = {str(case["image"]) for case in self.train} & {str(case["image"]) for case in self.test}
        if shared:
            raise InputError(
                f"{self.name}: {counted(len(shared), 'image')} in both training and test, such as {min(shared)}"
            )

    def shared_patients(self) -> list[str]:
        """Patients in both training and test, sorted."""
        return shared_patients(self.train, self.test)


@dataclass(frozen=True, kw_only=True)
class SegmentationSet:
    """A data set for segmentation: folds, classes, and how it is named in tables.

    Attributes:
        folds: training and test cases, see `segmentation_folds`.
        label_names: class names by number, background first, see `segmentation_label_names`.
        name: name of the set in tables.
        allow_same_patient: whether training and test of a fold may share patients; the tables then say so.

    Raises:
        InputError: training and test of a fold share patients although that is not allowed.
    """

    folds: Sequence[Fold]
    label_names: Sequence[str]
    name: str = "segmentation"
    allow_same_patient: bool = False

    def __post_init__(self) -> None:
        shared = [(fold.name, patients) for fold in self.folds if (patients := fold.shared_patients())]
        if shared and not self.allow_same_patient:
            name, patients = shared[0]
            raise InputError(
                f"{name}: {counted(len(patients), 'patient')} in both training and test, such as {patients[0]}: "
                "decoders would be scored on patients that they were trained on. Split by patient, or set "
                "allow_same_patient to true: the tables are then marked as those within one patient"
            )

    @property
    def within_one_patient(self) -> bool:
        return any(fold.shared_patients() for fold in self.folds)

    @property
    def has_pictures(self) -> bool:
        """True if any case is a picture rather than a volume."""
        return any(case["modality"] == "picture" for fold in self.folds for case in (*fold.train, *fold.test))


def segmentation_folds(
    *,
    dataset_dir: str | Path = "",
    layout: str | None = None,
    layout_options: Mapping[str, Any] | None = None,
    n_folds: int = 5,
    folds: Sequence[int] | None = None,
    train_data: Sequence[Case] = (),
    test_data: Sequence[Case] = (),
    seed: int = 0,
) -> list[Fold]:
    """Split a data set into folds by patient, or make one fold of two lists of cases.

    Args:
        dataset_dir: folder of the data set, see `read_datalist` and `read_mask_table`.
        layout: "msd", "nnunet_raw", "amos", or "picture_masks"; None recognises one of the first three.
        layout_options: "modality" for volumes; the columns of `read_mask_table` for pictures.
        n_folds: number of folds into which the labelled cases are split.
        folds: numbers of the folds that are tested, from 0; None tests all, so that every case is tested once.
        train_data: training cases, with ``test_data`` instead of a data set.
        test_data: cases on which decoders are scored.
        seed: seed for the split into folds.

    Raises:
        InputError: neither or both of a data set and lists are given, the layout is unknown, a fold does not exist or
            is listed twice, cases lack something or share an id, an image is in both training and test, or see the
            readers.
    """
    if bool(dataset_dir) == bool(train_data or test_data) or bool(train_data) != bool(test_data):
        raise InputError(
            f"dataset_dir is {str(dataset_dir)!r}, train_data has {len(train_data)} cases and test_data "
            f"{len(test_data)}; expected either a data set, or both lists"
        )
    if train_data:
        return [Fold("held out", tuple(train_data), tuple(test_data))]
    numbers = range(n_folds) if folds is None else list(folds)
    if n_folds < 2 or not set(numbers) <= set(range(n_folds)) or not numbers or len(set(numbers)) < len(numbers):
        raise InputError(f"folds is {folds} of n_folds {n_folds}; expected some of 0 to {n_folds - 1}, each once")
    cases = _cases(dataset_dir, layout, dict(layout_options or {}))
    patients = sorted({patient_of(case) for case in cases})
    if len(patients) < n_folds:
        raise InputError(
            f"{dataset_dir}: {counted(len(patients), 'patient')} cannot be split into {n_folds} folds: lower n_folds"
        )
    parts = partition_dataset(patients, num_partitions=n_folds, shuffle=True, seed=seed)
    made = []
    for number in numbers:
        tested = set(parts[number])
        sides: tuple[list[Case], list[Case]] = ([], [])
        for case in cases:
            sides[patient_of(case) in tested].append(case)
        made.append(Fold(f"fold {number}", tuple(sides[0]), tuple(sides[1])))
    return made


def segmentation_label_names(
    names: Sequence[str], dataset_dir: str | Path = "", layout: str | None = None
) -> list[str]:
    """Class names by number, background first: as given, or from the data set's dataset.json, if it has names.

    Raises:
        InputError: no names are given and the layout has none, or see `class_names`.
    """
    if not dataset_dir or layout == PICTURES:
        if not names:
            raise InputError("label_names is empty: name the classes by number, background first")
        return list(names)
    return class_names(dataset_dir=dataset_dir, layout=find_layout(dataset_dir, layout), stated=names or None)


def _cases(dataset_dir: str | Path, layout: str | None, options: dict[str, Any]) -> list[Case]:
    if layout == PICTURES:
        try:
            return list(read_mask_table(dataset_dir, **options))
        except TypeError as error:
            raise InputError(f"layout_options {options} do not fit layout '{layout}': {error}") from error
    if layout is not None and layout not in LAYOUTS:
        raise InputError(f"layout is {layout!r}; expected one of {', '.join((*LAYOUTS, PICTURES))}.")
    if unknown := sorted(set(options) - {"modality"}):
        raise InputError(f"layout '{layout}' has no option {', '.join(unknown)}. Its option is modality.")
    layout = find_layout(dataset_dir, layout)
    if layout == "dicom":
        raise InputError("layout 'dicom' has drawn labels, and a frozen encoder takes label maps. Save them as NIfTI.")
    if layout == "brats":
        raise InputError("layout 'brats' has several sequences a case, and a frozen encoder takes one image. Use msd.")
    cases = read_datalist(dataset_dir, layout, "all_labelled", **options)
    modalities = sorted({str(case["modality"]) for case in cases})
    if len(modalities) > 1:
        raise InputError(f"{dataset_dir}: holds {', '.join(modalities)}; set the modality in layout_options to one")
    return list(cases)
