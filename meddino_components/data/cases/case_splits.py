"""Split labelled cases into training and validation: by patient, by nnU-Net's rule or file, or by lists."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import partition_dataset

from ...errors import InputError
from ...wording import counted
from .patients import patient_of, shared_patients

SPLITS_FILE = "splits_final.json"
SPLIT_RULES = ("patients", "joined", "official", "nnunet", "list", SPLITS_FILE)
# seed in nnU-Net's generate_crossval_split
_NNUNET_SEED = 12345
Case = Mapping[str, Any]
# (training, validation)
Sides = tuple[list[Case], list[Case]]


def needs_both_lists(split: str | None) -> bool:
    """Return whether the rule is for data sets with a validation list of their own."""
    return split in ("joined", "official")


def is_of_nnunet(split: str | None, root: Path) -> bool:
    """Return whether the rule is nnU-Net's, which has no validation list apart from its folds."""
    if split is None:
        return (root / SPLITS_FILE).is_file()
    return split not in ("patients", "list") and not needs_both_lists(split)


def portable_split(split: str | os.PathLike[str] | None) -> str | None:
    """Return ``split`` for a record, which keeps no paths of this machine."""
    return None if split is None else os.fspath(split) if split in SPLIT_RULES else SPLITS_FILE


def split_cases(
    cases: Sequence[Case],
    *,
    root: Path,
    known: Collection[str] | None = None,
    official: Collection[str] = (),
    fold: int,
    n_folds: int,
    seed: int = 0,
    split: str | None = None,
    allow_same_patient: bool = False,
) -> Sides:
    """Return the training and validation cases of a fold.

    Args:
        cases: labelled cases, sorted by id.
        root: folder of the data set, which may contain ``splits_final.json``.
        known: further ids that a split file may name, for cases that were left out on purpose.
        official: ids of the data set's own validation list among the cases.
        fold: number of the validation fold, from 0.
        n_folds: number of folds.
        seed: seed for the shuffle of "patients".
        split: rule of the split. "patients" shuffles patients, and "joined" those of both lists; "official" trains on
            the training list and validates on the data set's own validation list; "nnunet" is nnU-Net's
            KFold(n_folds, shuffle, seed 12345) over sorted ids; "list" uses the items ``fold`` of a data list; a path
            names ``splits_final.json`` or its folder, and the bare file name means the file next to dataset.json. None
            uses the first available of the list's items, the file next to dataset.json, and "patients".
        allow_same_patient: whether a given split may have a patient on both sides.

    Raises:
        InputError: the fold is out of range, there are fewer patients than folds, a patient is on both sides, or the
            split file is missing, has another format or lists other cases.
    """
    if not _is_whole(n_folds) or not _is_whole(fold) or not 0 <= fold < n_folds:
        raise InputError(f"fold is {fold}; expected 0..{n_folds - 1} (n_folds is {n_folds}).")
    rule = _rule(split, cases, root)
    if isinstance(rule, Path):
        sides = _of_file(cases, rule, fold, n_folds, known or ())
    elif rule == "list":
        sides = _of_list(cases, fold)
    elif rule == "official":
        sides = _of_official(cases, official, fold)
    elif rule == "nnunet":
        sides = _as_nnunet(cases, fold, n_folds)
    else:
        return _by_patient(cases, fold, n_folds, seed)
    shared = shared_patients(*sides)
    if shared and not allow_same_patient:
        both = [str(case["case_id"]) for case in (*sides[0], *sides[1]) if patient_of(case) == shared[0]]
        raise InputError(
            f"{counted(len(shared), 'patient')} in both training and validation of fold {fold} by {rule}, the first "
            f"one {shared[0]} "
            f"({', '.join(both[:4])}): scores would be too optimistic. Set split to patients, or allow_same_patient "
            f"to True."
        )
    return sides


def _rule(split: str | None, cases: Sequence[Case], root: Path) -> str | Path:
    with_fold = [case for case in cases if "fold" in case]
    if with_fold and len(with_fold) < len(cases) and split in (None, "list"):
        lacking = next(str(case["case_id"]) for case in cases if "fold" not in case)
        raise InputError(
            f"{len(with_fold)} of {len(cases)} cases of the data list have a 'fold', but {lacking} has none."
        )
    if split is None:
        beside = root / SPLITS_FILE
        return "list" if with_fold else beside if beside.is_file() else "patients"
    if split == "list" and not with_fold:
        raise InputError("split is 'list', but no case of the data list has an item 'fold'.")
    if split != SPLITS_FILE and split in SPLIT_RULES:
        return split
    path = root / SPLITS_FILE if split == SPLITS_FILE else Path(split).expanduser().absolute()
    path = path / SPLITS_FILE if path.is_dir() else path
    if not path.is_file():
        raise InputError(
            f"{path}: no such file. Set split to the path of nnU-Net's {SPLITS_FILE} or of its folder, or to one of "
            f"{', '.join(SPLIT_RULES[:-1])}."
        )
    return path


def _by_patient(cases: Sequence[Case], fold: int, n_folds: int, seed: int) -> Sides:
    patients = sorted({patient_of(case) for case in cases})
    if n_folds < 2 or len(patients) < n_folds:
        raise InputError(
            f"{counted(len(cases), 'case')} of {counted(len(patients), 'patient')} cannot be split into {n_folds} "
            "folds; expected 2 <= n_folds <= patients."
        )
    tested = set(partition_dataset(patients, num_partitions=n_folds, shuffle=True, seed=seed)[fold])
    return _sides(cases, {str(case["case_id"]) for case in cases if patient_of(case) in tested})


def _as_nnunet(cases: Sequence[Case], fold: int, n_folds: int) -> Sides:
    """scikit-learn's KFold(n_folds, shuffle=True, random_state=12345) over sorted ids."""
    ids = sorted(str(case["case_id"]) for case in cases)
    if n_folds < 2 or len(ids) < n_folds:
        raise InputError(
            f"{counted(len(ids), 'case')} cannot be split into {n_folds} folds; expected 2 <= n_folds <= cases."
        )
    order = np.arange(len(ids))
    np.random.RandomState(_NNUNET_SEED).shuffle(order)
    return _sides(cases, {ids[k] for k in np.array_split(order, n_folds)[fold]})


def _of_official(cases: Sequence[Case], official: Collection[str], fold: int) -> Sides:
    if fold != 0:
        raise InputError(f"fold is {fold}; split is 'official', which has fold 0 alone. Set split to joined for folds.")
    sides = _sides(cases, official)
    if not all(sides):
        raise InputError(
            "split is 'official', but no case is left in the training list, or none in the validation list. Check "
            "modality and exclude."
        )
    return sides


def _of_list(cases: Sequence[Case], fold: int) -> Sides:
    try:
        sides = _sides(cases, {str(case["case_id"]) for case in cases if int(case["fold"]) == fold})
    except (TypeError, ValueError) as error:
        found = sorted({str(case["fold"]) for case in cases})
        raise InputError(f"items 'fold' of the data list are {', '.join(found[:8])}; expected numbers.") from error
    if not all(sides):
        raise InputError(f"no case of the data list is in fold {fold}, or all are. Correct their 'fold' or fold.")
    return sides


def _of_file(cases: Sequence[Case], path: Path, fold: int, n_folds: int, known: Collection[str]) -> Sides:
    try:
        splits = [
            {side: list(map(str, one[side])) for side in ("train", "val")} for one in json.loads(path.read_text())
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected nnU-Net's list of {{'train': [ids], 'val': [ids]}} ({error!r}).") from error
    if len(splits) != n_folds:
        raise InputError(f"{path}: holds {len(splits)} splits, n_folds is {n_folds}. Set n_folds to {len(splits)}.")
    train, val = set(splits[fold]["train"]), set(splits[fold]["val"])
    if both := sorted(train & val):
        raise InputError(f"{path}: split {fold} has {both[0]} in 'train' and in 'val'. Correct it.")
    ids = {str(case["case_id"]) for case in cases}
    if missing := sorted((train | val) - ids - set(known)):
        raise InputError(
            f"{path}: split {fold} names {counted(len(missing), 'case')} that the data set does not have, the first "
            f"{missing[0]}; it has such as {', '.join(sorted(ids)[:2])}. Take the file of this data set."
        )
    if unused := sorted(ids - train - val):
        warnings.warn(
            f"{path}: split {fold} leaves out {counted(len(unused), 'case')}, the first {unused[0]}", stacklevel=2
        )
    sides = _sides([case for case in cases if str(case["case_id"]) in train | val], val)
    if not all(sides):
        raise InputError(f"{path}: split {fold} has no case of this data set in training, or none in validation.")
    return sides


def _sides(cases: Sequence[Case], validation: Collection[str]) -> Sides:
    sides: Sides = ([], [])
    for case in cases:
        sides[str(case["case_id"]) in validation].append(case)
    return sides


def _is_whole(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)
