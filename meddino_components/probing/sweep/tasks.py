"""What a sweep scores models on: labelled image sets, and segmentations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from ...data.cases.patients import patient_of
from ...data.image_sets import ImageSet, read_image_set
from ...data.volumes.stamps import file_stamp
from ...embeddings import FrozenEncoder
from ...errors import InputError
from ..image_sets.evaluate import evaluate_classification
from ..segmentation import DecoderTraining, Fold, evaluate_segmentation, segmentation_folds, segmentation_label_names
from ..segmentation.evaluate import check_decoders, suitable_decoders
from ..tables.probe_tables import Row

_SCORING = 1  # raised with every change of probes, decoders or bootstraps that changes a row; in the identity of cells
# these change no row
_OF_A_RUN = ("batch_size", "num_workers", "device", "progress")


def _defaults(evaluate: Callable[..., list[Row]]) -> dict[str, Any]:
    parameters = inspect.signature(evaluate).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty and p.name not in _OF_A_RUN}


_OF_CLASSIFICATION = _defaults(evaluate_classification)
_OF_SEGMENTATION = _defaults(evaluate_segmentation)

# of a set in the configuration; the rest says how decoders are trained
_OF_FOLDS = ("dataset_dir", "layout", "layout_options", "n_folds", "folds", "train_data", "test_data")


@dataclass(frozen=True, kw_only=True)
class SweepTask:
    """One column of cells.

    Attributes:
        name: of the set.
        main: the score of its tables.
        identity: plain data that changes with everything that decides its rows but the encoder and the size: samples or
            cases with the stamps of their files, labels and splits, settings with the defaults of those not given, and
            the version of the scoring. The set is read for it.
        evaluate: encoder, its controls, side of the images, folder and what changes no row (devices, batches) to rows.
    """

    name: str
    main: str
    identity: Callable[[], dict[str, Any]]
    evaluate: Callable[..., list[Row]]


def classification_task(name: str, source: Mapping[str, Any], settings: Mapping[str, Any]) -> SweepTask:
    """A labelled image set.

    Args:
        name: of the set.
        source: arguments of `read_image_set`.
        settings: of `evaluate_classification`.
    """

    @cache  # read once for all cells
    def image_set() -> ImageSet:
        return read_image_set(**source)

    @cache
    def identity() -> dict[str, Any]:
        return {"scoring": _SCORING, "set": image_set().digest(), "settings": {**_OF_CLASSIFICATION, **settings}}

    def evaluate(*, encoder: FrozenEncoder, controls: list[FrozenEncoder], **run: Any) -> list[Row]:
        return evaluate_classification(
            image_set=image_set(),
            encoders=[encoder],
            controls=controls,
            **settings,
            **run,
        )

    return SweepTask(name=name, main="AUC", identity=identity, evaluate=evaluate)


def segmentation_task(name: str, source: Mapping[str, Any], settings: Mapping[str, Any]) -> SweepTask:
    """Labelled volumes or pictures.

    Args:
        name: of the set.
        source: arguments of `segmentation_folds`, "label_names" where the set does not state them, and where wanted
            "decoders" and attributes of `DecoderTraining`.
        settings: of `evaluate_segmentation`.

    Raises:
        InputError: something else in ``source``, a decoder that there is not, or see `DecoderTraining`.
    """
    known = {*_OF_FOLDS, "label_names", "decoders", "allow_same_patient", *DecoderTraining.__dataclass_fields__}
    if unknown := sorted(set(source) - known):
        raise InputError(f"segmentation set {name}: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    # before the cells of other sets are computed
    check_decoders(source.get("decoders") or ())
    training = DecoderTraining(**{k: value for k, value in source.items() if k in DecoderTraining.__dataclass_fields__})

    @cache
    def folds() -> list[Fold]:
        asked = {key: value for key, value in source.items() if key in _OF_FOLDS}
        return segmentation_folds(**asked, seed=settings["seed"])

    @cache
    def asked() -> dict[str, Any]:
        return {
            "label_names": segmentation_label_names(
                source.get("label_names", ()), source.get("dataset_dir", ""), source.get("layout")
            ),
            "set_name": name,
            "decoders": list(source.get("decoders") or suitable_decoders(folds())),
            "training": training,
            "allow_same_patient": source.get("allow_same_patient", False),
            **settings,
        }

    @cache
    def identity() -> dict[str, Any]:
        return {
            "scoring": _SCORING,
            "set": _facts_of(folds()),
            "settings": {**_OF_SEGMENTATION, **asked(), "training": asdict(training)},
        }

    def evaluate(*, encoder: FrozenEncoder, controls: list[FrozenEncoder], **run: Any) -> list[Row]:
        return evaluate_segmentation(folds=folds(), encoders=[encoder], controls=controls, **asked(), **run)

    return SweepTask(name=name, main="Dice", identity=identity, evaluate=evaluate)


def _facts_of(folds: Sequence[Fold]) -> dict[str, Any]:
    """Which cases are on which side of each fold, and each case with the stamps of its files."""
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
