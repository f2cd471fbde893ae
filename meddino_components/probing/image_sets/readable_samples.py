"""The samples of an image set that every encoder could read: encoders are compared on nothing else.

Shapes: N samples of a split, n of them readable, K labels.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...data.image_sets import SPLITS, ImageSet, Selection, Split
from ...embeddings import Embeddings
from ...errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReadableSamples:
    """What is left for all encoders.

    Attributes:
        masks: by split, which of all its samples are readable, boolean [N].
        targets: by split, of the readable ones: classes [n], or 0 and 1 [n, K].
        test_positives: of the readable test samples, how many are of each class or have each label, [K].
        test_patients: number of each readable test sample's patient, from 0, [n].
        left_out: by split, how many are not readable.
        reasons: why, by sample.
    """

    masks: Mapping[Split, Tensor]
    targets: Mapping[Split, Tensor]
    test_positives: Sequence[int]
    test_patients: Tensor
    left_out: Mapping[Split, int]
    reasons: Mapping[str, str]


def readable_samples(image_set: ImageSet, of_encoders: Sequence[Mapping[Split, Embeddings]]) -> ReadableSamples:
    """Leave out, for all, what any encoder could not read, and check what is left as the set was checked.

    A class that the validation or test split has lost is logged as a warning: it has no score there.

    Args:
        image_set: the set.
        of_encoders: for each encoder the embeddings of the set's splits.

    Raises:
        InputError: nothing is left of a split, or of the training samples no example, or no counterexample, of a class.
    """
    splits = {split: image_set.of(split) for split in SPLITS}
    masks = {split: np.all([found[split].lengths > 0 for found in of_encoders], axis=0) for split in splits}
    left_out = {split: int((~mask).sum()) for split, mask in masks.items()}
    if not all(mask.any() for mask in masks.values()):
        raise InputError(f"{image_set.name}: no sample is left in a split; unreadable: {left_out}")
    readable = {split: _readable(part, masks[split]) for split, part in splits.items()}
    for split, part in readable.items():
        _check_classes(splits[split], part, split)
    patients = np.array([sample.patient for sample in readable["test"].samples])
    return ReadableSamples(
        masks={split: torch.from_numpy(mask) for split, mask in masks.items()},
        targets={split: torch.from_numpy(part.targets()) for split, part in readable.items()},
        test_positives=readable["test"].positives().tolist(),
        test_patients=torch.from_numpy(np.unique(patients, return_inverse=True)[1]),
        left_out=left_out,
        reasons={
            k: reason for found in of_encoders for part in found.values() for k, reason in part.unreadable.items()
        },
    )


def _readable(part: Selection, mask: npt.NDArray[np.bool_]) -> Selection:
    return replace(part, samples=tuple(sample for sample, kept in zip(part.samples, mask, strict=True) if kept))


def _check_classes(listed: Selection, readable: Selection, split: Split) -> None:
    """As the set was checked as listed, see `ImageSet`; what the list lacked was told there."""
    lost = [name for name in readable.one_sided() if name not in listed.one_sided()]
    if not lost:
        return
    found = (
        f"{listed.name}: {len(listed) - len(readable)} of {len(listed)} samples of split '{split}' are unreadable, and "
        f"without them {', '.join(lost)} has no example, or no counterexample, there"
    )
    if split == "train":
        raise InputError(f"{found}: nothing can be learnt about it. Replace the files, or leave the class out")
    logger.warning("%s, and so no score", found)
