"""What a sweep scores models on: labelled image sets, and segmentations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..data.image_sets import ImageSet, read_image_set
from ..embeddings import FrozenEncoder
from ..errors import InputError
from .classification import evaluate_classification
from .frozen_segmentation import (
    DecoderTraining,
    Fold,
    evaluate_segmentation,
    segmentation_folds,
    segmentation_label_names,
)
from .frozen_segmentation.evaluate import check_decoders
from .score_tables import Row

# of a set in the configuration; the rest says how decoders are trained
_OF_FOLDS = ("dataset_dir", "layout", "layout_options", "n_folds", "folds", "train_data", "test_data")


@dataclass(frozen=True, kw_only=True)
class SweepTask:
    """One column of cells.

    Attributes:
        name: of the set.
        main: the score of its tables.
        source: where its data is; plain data.
        settings: what else changes its rows; plain data.
        evaluate: encoder, its controls, side of the images, folder and what changes no row (devices, batches) to rows.
    """

    name: str
    main: str
    source: Mapping[str, Any]
    settings: Mapping[str, Any]
    evaluate: Callable[..., list[Row]]


def classification_task(name: str, source: Mapping[str, Any], settings: Mapping[str, Any]) -> SweepTask:
    """A labelled image set.

    Args:
        name: of the set.
        source: arguments of `read_image_set`.
        settings: of `evaluate_classification`.
    """

    @cache  # read where the first cell is computed
    def image_set() -> ImageSet:
        return read_image_set(**source)

    def evaluate(*, encoder: FrozenEncoder, controls: list[FrozenEncoder], **run: Any) -> list[Row]:
        return evaluate_classification(
            image_set=image_set(),
            encoders=[encoder],
            controls=controls,
            **settings,
            **run,
        )

    return SweepTask(name=name, main="AUC", source=source, settings=settings, evaluate=evaluate)


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

    def evaluate(*, encoder: FrozenEncoder, controls: list[FrozenEncoder], **run: Any) -> list[Row]:
        return evaluate_segmentation(
            folds=folds(),
            encoders=[encoder],
            controls=controls,
            label_names=segmentation_label_names(
                source.get("label_names", ()), source.get("dataset_dir", ""), source.get("layout", "msd")
            ),
            set_name=name,
            decoders=source.get("decoders"),
            training=training,
            allow_same_patient=source.get("allow_same_patient", False),
            **settings,
            **run,
        )

    return SweepTask(name=name, main="Dice", source=source, settings=settings, evaluate=evaluate)
