"""The samples of an image set that every encoder can read; encoders are compared on these alone.

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
    """Samples that all encoders can read.

    Attributes:
        masks: by split, which samples are readable, boolean [N].
        targets: by split, labels of the readable samples: classes [n], or 0 and 1 [n, K].
        test_positives: number of readable test samples of each class or with each label, [K].
        test_patients: number of each readable test sample's patient, from 0, [n].
        left_out: by split, number of unreadable samples.
        reasons: by sample, why it is unreadable.
    """

    masks: Mapping[Split, Tensor]
    targets: Mapping[Split, Tensor]
    test_positives: Sequence[int]
    test_patients: Tensor
    left_out: Mapping[Split, int]
    reasons: Mapping[str, str]


def readable_samples(image_set: ImageSet, of_encoders: Sequence[Mapping[Split, Embeddings]]) -> ReadableSamples:
    """Leave out for all encoders what some encoder cannot read, and check the remaining samples as the set was checked.

    A class that the validation or test split has lost has no score there, and is logged as a warning.

    Args:
        image_set: labelled image set.
        of_encoders: for each encoder, the embeddings of the set's splits.

    Raises:
        InputError: a split has no samples left, or the training split no example or no counterexample of a class.
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
    """Check the classes as `ImageSet` does; what the listed samples lacked was reported there."""
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
