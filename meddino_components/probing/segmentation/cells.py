"""One fold, one encoder, one decoder: trained, scored on the fold's test cases, and kept on disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...embeddings import FrozenEncoder
from ...embeddings.prepared_images import PREPARATION
from ...evaluation.case_scores import score_case
from ...evaluation.metrics import Dice
from ...files import AtomicFiles
from ..finished_cells import cell_identity, finish_cell, finished_cell
from .decoder_training import DecoderTraining, train_decoder
from .decoders import Decoder
from .map_crops import MappedCase
from .prediction import predict_labels

_VERSION = 1  # version of training and scoring, part of a cell's identity
_POINTS = 100  # points of a loss curve

_METRIC = Dice()


@dataclass(frozen=True)
class DecodedFold:
    """Results of a decoder on the test cases of a fold.

    Attributes:
        dice: Dice by case and class name, NaN if the reference lacks the class.
        loss: mean losses of equal parts of the training.
    """

    dice: dict[str, dict[str, float]]
    loss: list[float]


@dataclass(frozen=True, kw_only=True)
class DecoderCell:
    """A decoder to be trained and scored, and the folder of its results.

    Attributes:
        place: folder of the cell.
        encoder: encoder that computed the maps.
        decoder: settings of the decoder.
        train, test: cases with the encoder's maps.
        label_names: class names by number, background first.
        training: settings of the training.
    """

    place: Path
    encoder: FrozenEncoder
    decoder: Decoder
    train: Sequence[MappedCase]
    test: Sequence[MappedCase]
    label_names: Sequence[str]
    training: DecoderTraining

    def finished(self) -> DecodedFold | None:
        """The result of an earlier run with the same encoder, cases and settings; None if there is none."""
        found = finished_cell(self.place, self._identity())
        if found is None:
            return None
        dice = {case: {k: math.nan if v is None else v for k, v in row.items()} for case, row in found["dice"].items()}
        return DecodedFold(dice, found["loss"])

    def compute(self, on_step: Callable[[float], None]) -> DecodedFold:
        """Train, predict and score; the labels on the square are kept with the result, for pictures."""
        losses: list[float] = []

        def step(loss: float) -> None:
            losses.append(loss)
            on_step(loss)

        decoder = train_decoder(
            self.decoder,
            self.train,
            training=self.training,
            n_classes=len(self.label_names),
            patch_size=self.encoder.patch_size,
            on_step=step,
        )
        dice, device, amp = {}, self.training.device, self.training.in_bfloat16
        self.place.mkdir(parents=True, exist_ok=True)
        with AtomicFiles() as files:
            for number, case in enumerate(self.test):
                native, fitted = predict_labels(decoder, case, device=device, amp=amp)
                dice[case.case_id] = self._dice(native, case)
                np.savez_compressed(files.path(self._labels_path(number)), labels=fitted)
        curve = [float(np.mean(part)) for part in np.array_split(losses, min(_POINTS, len(losses)))]
        result = DecodedFold(dice, curve)
        plain = {case: {k: None if math.isnan(v) else v for k, v in row.items()} for case, row in result.dice.items()}
        finish_cell(self.place, self._identity(), {"dice": plain, "loss": curve})
        return result

    def fitted_labels(self, number: int) -> NDArray[np.uint8]:
        """Predicted labels [D, S, S] of a test case, by its number."""
        with np.load(self._labels_path(number)) as arrays:
            labels: NDArray[np.uint8] = arrays["labels"]
        return labels

    def _labels_path(self, number: int) -> Path:
        return self.place / f"{number:05d}.npz"

    def _dice(self, native: NDArray[np.uint8], case: MappedCase) -> dict[str, float]:
        scores = score_case(
            native.transpose(1, 2, 0),
            np.asarray(case.labels.native).transpose(1, 2, 0),
            spacing_mm=case.labels.spacing_mm,
            label_names=self.label_names,
            case_id=case.case_id,
            metrics=[_METRIC],
        )
        return {score.organ: score.values[_METRIC.name] for score in scores}

    def _identity(self) -> str:
        asked: dict[str, Any] = {
            "version": _VERSION,
            "encoder": self.encoder.digest,
            "input": [self.encoder.intensity, self.encoder.mean, self.encoder.std],
            "preparation": PREPARATION,
            "decoder": self.decoder.identity(),
            # the key of a case's labels also identifies its files
            "cases": [[case.labels.key for case in side] for side in (self.train, self.test)],
            "label_names": list(self.label_names),
            "training": self.training.identity(),
        }
        return cell_identity(asked)
