"""All cases of some folds with their labels and the maps of every encoder, from disk."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from ...data.cases.patients import patient_of
from ...data.image_sets import Sample, Selection
from ...embeddings import Embeddings, FrozenEncoder, embed
from ...errors import InputError
from .folds import Case, Fold
from .label_store import CaseLabels, UnnamedLabelError, labels_of
from .map_crops import MappedCase

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MappedSet:
    """What decoders are trained and scored on.

    Attributes:
        cases: those of all folds, each once, by id.
        labels: of the readable cases, by id.
        unreadable: why a case has no labels or no maps, by id; left out for all encoders.
        maps: of each encoder by name, in the order of ``cases``.
    """

    cases: Mapping[str, Case]
    labels: Mapping[str, CaseLabels]
    unreadable: Mapping[str, str]
    maps: Mapping[str, Embeddings]

    def of(self, encoder: str, cases: Sequence[Case]) -> list[MappedCase]:
        """The readable ones among the cases, as an encoder sees them."""
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
    cache_dir: str | Path,
    batch_size: int,
    num_workers: int,
    progress: bool,
) -> MappedSet:
    """Read the labels of all cases and encode their images, as far as neither is there already.

    Args:
        folds: whose cases; a case of one id is the same in all.
        encoders: with names of their own.
        name: of the set.
        n_classes: K.
        size_px: side of the images.
        cache_dir: of maps and labels.
        batch_size: slices encoded at once.
        num_workers: processes that read images.
        progress: show bars.

    Raises:
        InputError: cases of several modalities, a label without a name, an encoder that does not take the size, or no
            case that can be read.
    """
    found_cases = {str(case["case_id"]): case for fold in folds for case in (*fold.train, *fold.test)}
    # in an order of their own: whichever folds are asked for, the same maps are found again
    cases = dict(sorted(found_cases.items()))
    samples = selection_of(list(cases.values()), name)
    unreadable: dict[str, str] = {}
    labels = {}
    for case_id, case in tqdm(cases.items(), desc="labels", unit="case", disable=not progress):
        try:
            labels[case_id] = labels_of(case, size_px=size_px, cache_dir=cache_dir, n_classes=n_classes)
        except UnnamedLabelError:
            raise  # without its cases the others would look better than they are
        except InputError as error:
            logger.warning("%s is left out: %s", case_id, error)
            unreadable[case_id] = str(error)
    maps = {
        encoder.name: embed(
            samples,
            encoder,
            size_px=size_px,
            cache_dir=cache_dir,
            kinds=("levels",),
            batch_size=batch_size,
            num_workers=num_workers,
            progress=progress,
        )
        for encoder in encoders
    }
    for found in maps.values():
        unreadable |= found.unreadable
    if len(unreadable) == len(cases):
        raise InputError(
            f"{name}: none of {len(cases)} cases can be read; the first: {next(iter(unreadable.values()))}"
        )
    return MappedSet(cases, labels, unreadable, maps)


def selection_of(cases: Sequence[Case], name: str) -> Selection:
    """Cases as samples without labels, for what encodes or reads images.

    Raises:
        InputError: cases of several modalities.
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
