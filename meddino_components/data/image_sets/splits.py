"""Samples to splits, whole patients at a time, with labels spread as evenly as patients allow.

N samples, K labels, P patients, S splits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from ...wording import counted
from .image_set import SPLITS, Sample, Split

DEFAULT_VAL_FRACTION = 0.1
DEFAULT_FRACTIONS = (0.7, 0.1, 0.2)

IntArray = npt.NDArray[np.int64]


def fractions_of(shares: Sequence[float], what: str = "fractions") -> dict[Split, float]:
    """Shares of training, validation and test as a dict.

    Raises:
        InputError: not three positive numbers that sum up to 1.
    """
    try:
        numbers = [float(share) for share in shares]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != len(SPLITS) or not all(n > 0 for n in numbers) or not math.isclose(sum(numbers), 1):
        raise InputError(f"{what} is {shares!r}; expected shares of train, val and test, such as {DEFAULT_FRACTIONS}.")
    return dict(zip(SPLITS, numbers, strict=True))


def split_samples(
    samples: Sequence[Sample], *, fractions: Mapping[Split, float], seed: int, multi_label: bool, name: str
) -> list[Sample]:
    """The samples in their order, each with the split of its patient, see `split_by_patient`."""
    labels = np.array([sample.labels for sample in samples], dtype=np.int64)
    if not multi_label:
        labels = np.eye(labels.max() + 1, dtype=np.int64)[labels[:, 0]]
    patients = [sample.patient for sample in samples]
    splits = split_by_patient(patients=patients, labels=labels, fractions=fractions, seed=seed, name=name)
    return [replace(sample, split=split) for sample, split in zip(samples, splits, strict=True)]


def carve_validation(
    samples: Sequence[Sample], *, val_fraction: float, seed: int, multi_label: bool, name: str
) -> list[Sample]:
    """Some patients of "train" to "val"; the other samples as they are, after those of training.

    Raises:
        InputError: ``val_fraction`` is not between 0 and 1, or fewer than two patients are in training.
    """
    if not 0 < val_fraction < 1:
        raise InputError(f"val_fraction is {val_fraction!r}; expected a share of the training samples, such as 0.1.")
    training = [sample for sample in samples if sample.split == "train"]
    if not training:
        raise InputError(f"{name}: no sample is in training. Check that its files are there.")
    shares: dict[Split, float] = {"train": 1 - val_fraction, "val": val_fraction}
    carved = split_samples(training, fractions=shares, seed=seed, multi_label=multi_label, name=name)
    return carved + [sample for sample in samples if sample.split != "train"]


def split_by_patient(
    *, patients: Sequence[str], labels: IntArray, fractions: Mapping[Split, float], seed: int, name: str
) -> list[Split]:
    """The split of each sample; all samples of a patient get the same.

    Iterative stratification: of the labels that are left, the rarest one's patients are given away first, each to the
    split that lacks most samples of that label, then most samples at all; patients without a label come last. Their
    order is shuffled by ``seed`` and depends on the patients alone, not on the order of the rows.

    Args:
        patients: [N].
        labels: [N, K], 0 or 1; of classes, one column each.
        fractions: share of the samples of each split.
        seed: seed for shuffling.
        name: name of the set, for messages.

    Raises:
        InputError: fewer patients than splits.

    Reference:
        Sechidis, Tsoumakas and Vlahavas, On the Stratification of Multi-Label Data, ECML PKDD 2011, algorithm 1.
    """
    ids, of_sample = np.unique(np.asarray(patients, dtype=object).astype(str), return_inverse=True)
    if len(ids) < len(fractions):
        raise InputError(
            f"{name}: {counted(len(ids), 'patient')} cannot be split into {', '.join(fractions)}. Expected one for "
            "each at least."
        )
    counts = np.zeros((len(ids), labels.shape[1] + 1))  # [P, K + 1], the last column counts samples
    np.add.at(counts, of_sample, np.column_stack([labels, np.ones(len(labels))]))
    # [S, K + 1], samples that each split still lacks
    wanted = np.outer(list(fractions.values()), counts.sum(axis=0))
    order = np.random.default_rng(seed).permutation(len(ids))
    split_of_patient = np.full(len(ids), -1)
    while (left := order[split_of_patient[order] < 0]).size:
        remaining = (counts[left] > 0).sum(axis=0)
        column = min(np.flatnonzero(remaining), key=lambda k: remaining[k])
        for patient in left[counts[left, column] > 0]:
            # equal needs fall to the first split, which is training
            chosen = max(range(len(wanted)), key=lambda s: (wanted[s, column], wanted[s, -1]))
            split_of_patient[patient] = chosen
            wanted[chosen] -= counts[patient]
    splits = list(fractions)
    return [splits[split_of_patient[patient]] for patient in of_sample]
