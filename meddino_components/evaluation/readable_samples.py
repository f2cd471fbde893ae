"""The samples of an image set that every encoder could read: encoders are compared on nothing else.

Shapes: N samples of a split, n of them readable, K labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..data.image_sets import SPLITS, ImageSet, Split
from ..embeddings import Embeddings
from ..errors import InputError


@dataclass(frozen=True, kw_only=True)
class ReadableSamples:
    """What is left for all encoders.

    Attributes:
        masks: by split, which of all its samples are readable, boolean [N].
        targets: by split, of the readable ones: classes [n], or 0 and 1 [n, K].
        test_patients: number of each readable test sample's patient, from 0, [n].
        left_out: by split, how many are not readable.
        reasons: why, by sample.
    """

    masks: Mapping[Split, Tensor]
    targets: Mapping[Split, Tensor]
    test_patients: Tensor
    left_out: Mapping[Split, int]
    reasons: Mapping[str, str]


def readable_samples(image_set: ImageSet, of_encoders: Sequence[Mapping[Split, Embeddings]]) -> ReadableSamples:
    """Leave out, for all, what any encoder could not read.

    Args:
        image_set: the set.
        of_encoders: for each encoder the embeddings of the set's splits.

    Raises:
        InputError: nothing is left of a split.
    """
    splits = {split: image_set.of(split) for split in SPLITS}
    masks = {split: np.all([found[split].lengths > 0 for found in of_encoders], axis=0) for split in splits}
    left_out = {split: int((~mask).sum()) for split, mask in masks.items()}
    if not all(mask.any() for mask in masks.values()):
        raise InputError(f"{image_set.name}: no sample is left in a split; unreadable: {left_out}")
    patients = np.array([sample.patient for sample in splits["test"].samples])[masks["test"]]
    return ReadableSamples(
        masks={split: torch.from_numpy(mask) for split, mask in masks.items()},
        targets={split: torch.from_numpy(part.targets()[masks[split]]) for split, part in splits.items()},
        test_patients=torch.from_numpy(np.unique(patients, return_inverse=True)[1]),
        left_out=left_out,
        reasons={
            k: reason for found in of_encoders for part in found.values() for k, reason in part.unreadable.items()
        },
    )
