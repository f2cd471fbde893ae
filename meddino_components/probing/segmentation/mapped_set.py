"""All cases of some folds with their labels and the maps of every encoder, from disk."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from tqdm import tqdm

from ...data.cases.patients import patient_of
from ...data.image_sets import Sample, Selection
from ...embeddings import Embeddings, FrozenEncoder
from ...errors import InputError
from ..encoding import Encoding
from .folds import Case, Fold
from .label_store import CaseLabels, UnnamedLabelError, labels_of
from .map_crops import MappedCase

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MappedSet:
    """Cases with labels and maps on which decoders are trained and scored.

    Attributes:
        cases: cases of all folds by id, each once.
        labels: labels of the readable cases, by id.
        unreadable: by id, why a case has no labels or no maps; it is left out for all encoders.
        maps: maps of each encoder by name, in the order of ``cases``.
    """

    cases: Mapping[str, Case]
    labels: Mapping[str, CaseLabels]
    unreadable: Mapping[str, str]
    maps: Mapping[str, Embeddings]

    def of(self, encoder: str, cases: Sequence[Case]) -> list[MappedCase]:
        """The readable cases among those given, with the maps of an encoder."""
        numbers = {case_id: number for number, case_id in enumerate(self.cases)}
        return [
            MappedCase(
                case_id=case_id,
                patient=patient_of(case),
                maps=partial(self.maps[encoder].items, numbers[case_id], "levels"),
                labels=self.labels[case_id],
            )
            for case in cases
            if (case_id := str(case["case_id"])) not in self.unreadable
        ]


def map_cases(
    folds: Sequence[Fold],
    encoders: Sequence[FrozenEncoder],
    *,
    name: str,
    n_classes: int,
    size_px: int,
    encoding: Encoding,
) -> MappedSet:
    """Read the labels of all cases and encode their images, unless the cache holds them already.

    Args:
        folds: folds whose cases are read; a case id stands for the same case in all folds.
        encoders: encoders with different names.
        name: name of the set.
        n_classes: number of classes.
        size_px: side of the images in pixels.
        encoding: settings for computing maps, and the folder that keeps maps and labels.

    Raises:
        InputError: the cases are of several modalities, a label has no name, an encoder does not take the size, or no
            case can be read.
    """
    found_cases = {str(case["case_id"]): case for fold in folds for case in (*fold.train, *fold.test)}
    # sorted, so that the same maps are found again whichever folds are asked for
    cases = dict(sorted(found_cases.items()))
    samples = selection_of(list(cases.values()), name)
    unreadable: dict[str, str] = {}
    labels = {}
    for case_id, case in tqdm(cases.items(), desc="labels", unit="case", disable=not encoding.progress):
        try:
            labels[case_id] = labels_of(case, size_px=size_px, cache_dir=encoding.cache_dir, n_classes=n_classes)
        except UnnamedLabelError:
            raise  # without such cases the scores would look better than they are
        except InputError as error:
            logger.warning("%s is left out: %s", case_id, error)
            unreadable[case_id] = str(error)
    maps = {encoder.name: encoding.map(samples, encoder, size_px=size_px, kinds=("levels",)) for encoder in encoders}
    for found in maps.values():
        unreadable |= found.unreadable
    if len(unreadable) == len(cases):
        raise InputError(
            f"{name}: none of {len(cases)} cases can be read; the first: {next(iter(unreadable.values()))}"
        )
    return MappedSet(cases, labels, unreadable, maps)


def selection_of(cases: Sequence[Case], name: str) -> Selection:
    """Cases as samples without labels, as functions that encode or read images take them.

    Raises:
        InputError: the cases are of several modalities.
    """
    modalities = sorted({str(case["modality"]) for case in cases})
    if len(modalities) != 1 or modalities[0] not in ("ct", "mr", "picture"):
        raise InputError(f"{name}: modalities are {', '.join(modalities)}; expected one of ct, mr and picture for all")
    return Selection(
        name=name,
        samples=tuple(
            Sample(
                sample_id=str(case["case_id"]),
                image=str(case["image"]),
                index=None,
                patient=patient_of(case),
                split="train",  # of an image set; folds decide here
                labels=(),
            )
            for case in cases
        ),
        label_names=(),
        multi_label=True,
        dimensions=2 if modalities == ["picture"] else 3,
        modality=modalities[0],  # type: ignore[arg-type]
    )
