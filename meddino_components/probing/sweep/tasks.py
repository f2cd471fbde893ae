"""The sets on which a sweep scores models: labelled image sets, and segmentations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import torch

from ...data.cases.patients import patient_of
from ...data.image_sets import ImageSet, read_image_set
from ...data.volumes.stamps import file_stamp
from ...embeddings import FrozenEncoder
from ...errors import InputError
from ..encoding import Encoding
from ..image_sets.evaluate import evaluate_classification
from ..image_sets.vectors import Vectors
from ..probes.probe import Probe
from ..segmentation import (
    DecoderTraining,
    Fold,
    SegmentationSet,
    evaluate_segmentation,
    segmentation_folds,
    segmentation_label_names,
)
from ..segmentation.decoders import Decoder, check_decoders, suitable_decoders
from ..statistics.bootstrap import Bootstrap
from ..tables.rows import Row

# part of a cell's identity; raise it with every change of probes, decoders or the bootstrap that changes a row
_SCORING = 1
# keys of a segmentation set: those of its folds, and those of the decoders' training
_OF_FOLDS = ("dataset_dir", "layout", "layout_options", "n_folds", "folds", "train_data", "test_data")
_OF_TRAINING = {field.name for field in fields(DecoderTraining)} - {"seed", "device", "amp"}


@dataclass(frozen=True, kw_only=True)
class SweepTask:
    """A set on which all models are scored.

    Attributes:
        name: name of the set.
        main: name of the score in its tables.
        identity: gives plain data that changes with everything that affects its rows, except the encoder and the size:
            samples or cases with the stamps of their files, labels and splits, all settings of the components, and the
            version of the scoring. Reads the set.
        evaluate: gives the rows for an encoder, its controls, the side of the images and an output folder.
    """

    name: str
    main: str
    identity: Callable[[], dict[str, Any]]
    evaluate: Callable[..., list[Row]]


def classification_task(
    name: str,
    source: Mapping[str, Any],
    *,
    probes: Sequence[Probe],
    vectors: Vectors,
    bootstrap: Bootstrap,
    encoding: Encoding,
) -> SweepTask:
    """The task of a labelled image set.

    Args:
        name: name of the set.
        source: arguments of `read_image_set`.
        probes: probes that score every encoder.
        vectors: which vectors the probes get.
        bootstrap: settings of the bootstrap over patients.
        encoding: settings for computing embeddings, and the folder that keeps them; they change no row.
    """

    @cache  # read once for all cells
    def image_set() -> ImageSet:
        return read_image_set(**source)

    @cache
    def identity() -> dict[str, Any]:
        return {
            "scoring": _SCORING,
            "set": image_set().digest(),
            "probes": [probe.identity() for probe in probes],
            "vectors": asdict(vectors),
            "bootstrap": asdict(bootstrap),
        }

    def evaluate(*, encoder: FrozenEncoder, controls: list[FrozenEncoder], size_px: int, output_dir: Path) -> list[Row]:
        return evaluate_classification(
            image_set=image_set(),
            encoders=[encoder],
            controls=controls,
            size_px=size_px,
            probes=probes,
            vectors=vectors,
            bootstrap=bootstrap,
            encoding=encoding,
            output_dir=output_dir,
        )

    return SweepTask(name=name, main="AUC", identity=identity, evaluate=evaluate)


def segmentation_task(
    name: str,
    source: Mapping[str, Any],
    *,
    bootstrap: Bootstrap,
    encoding: Encoding,
    seed: int,
    device: torch.device | str,
    amp: bool,
) -> SweepTask:
    """The task of labelled volumes or pictures.

    Args:
        name: name of the set.
        source: arguments of `segmentation_folds`, "label_names" if the set does not name its classes, and optionally
            "decoders", "allow_same_patient" and attributes of `DecoderTraining`.
        bootstrap: settings of the bootstrap over patients.
        encoding: settings for computing maps, and the folder that keeps them; they change no row.
        seed: seed for folds, decoders and crops.
        device: device on which decoders are trained.
        amp: whether a GPU multiplies in bfloat16.

    Raises:
        InputError: ``source`` has an unknown key or decoder, or see `DecoderTraining`.
    """
    known = {*_OF_FOLDS, "label_names", "decoders", "allow_same_patient", *_OF_TRAINING}
    if unknown := sorted(set(source) - known):
        raise InputError(f"segmentation set {name}: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    # before the cells of other sets are computed
    if source.get("decoders") is not None:
        check_decoders(source["decoders"])
    recipe = {key: value for key, value in source.items() if key in _OF_TRAINING}
    training = DecoderTraining(**recipe, seed=seed, device=device, amp=amp)

    @cache
    def segmentation_set() -> SegmentationSet:
        of_folds = {key: value for key, value in source.items() if key in _OF_FOLDS}
        names, dataset_dir, layout = (source.get(key) for key in ("label_names", "dataset_dir", "layout"))
        return SegmentationSet(
            folds=segmentation_folds(**of_folds, seed=seed),
            label_names=segmentation_label_names(names or (), dataset_dir or "", layout),
            name=name,
            allow_same_patient=source.get("allow_same_patient", False),
        )

    def decoders() -> Sequence[Decoder]:
        return suitable_decoders(source.get("decoders"), has_pictures=segmentation_set().has_pictures)

    @cache
    def identity() -> dict[str, Any]:
        return {
            "scoring": _SCORING,
            "set": _facts_of(segmentation_set().folds),
            "label_names": list(segmentation_set().label_names),
            "allow_same_patient": segmentation_set().allow_same_patient,
            "decoders": [decoder.identity() for decoder in decoders()],
            "training": training.identity(),
            "bootstrap": asdict(bootstrap),
        }

    def evaluate(*, encoder: FrozenEncoder, controls: list[FrozenEncoder], size_px: int, output_dir: Path) -> list[Row]:
        return evaluate_segmentation(
            segmentation_set=segmentation_set(),
            encoders=[encoder],
            controls=controls,
            size_px=size_px,
            decoders=decoders(),
            training=training,
            bootstrap=bootstrap,
            encoding=encoding,
            output_dir=output_dir,
        )

    return SweepTask(name=name, main="Dice", identity=identity, evaluate=evaluate)


def _facts_of(folds: Sequence[Fold]) -> dict[str, Any]:
    """Training and test cases of each fold, and each case with the stamps of its files."""
    cases = {str(case["case_id"]): case for fold in folds for case in (*fold.train, *fold.test)}
    return {
        "cases": {
            case_id: {
                "patient": patient_of(case),
                "modality": str(case["modality"]),
                **{kind: [str(case[kind]), file_stamp(case[kind])] for kind in ("image", "label")},
            }
            for case_id, case in cases.items()
        },
        "folds": [
            [fold.name, *([str(case["case_id"]) for case in side] for side in (fold.train, fold.test))]
            for fold in folds
        ],
    }
