"""One fold, one encoder, one decoder: trained, scored on the fold's test cases, and kept on disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...embeddings import FrozenEncoder
from ...embeddings.prepared_images import PREPARATION
from ...evaluation.case_scores import score_case
from ...evaluation.metrics import Dice
from ...files import AtomicFiles
from ...networks.map_decoders import DecoderName
from ..finished_cells import cell_identity, finish_cell, finished_cell
from .decoder_training import DecoderTraining, train_decoder
from .map_crops import MappedCase
from .prediction import predict_labels

_VERSION = 1  # of training and scoring; in the identity of a cell
_POINTS = 100  # of a loss curve

_METRIC = Dice()


@dataclass(frozen=True)
class DecodedFold:
    """What a decoder gave on the test cases of a fold.

    Attributes:
        dice: by case and class name, NaN where the reference lacks the class.
        loss: means over equal parts of the training.
    """

    dice: dict[str, dict[str, float]]
    loss: list[float]


@dataclass(frozen=True, kw_only=True)
class DecoderCell:
    """What is computed, and where it is kept.

    Attributes:
        place: folder of the cell.
        encoder: whose maps these are.
        decoder: name, see `map_decoder`.
        train, test: cases with the encoder's maps.
        label_names: of the classes by number, background first.
        training: the recipe.
        seed: of weights and crops.
        device: where the decoder runs.
        amp: multiply in bfloat16.
    """

    place: Path
    encoder: FrozenEncoder
    decoder: DecoderName
    train: Sequence[MappedCase]
    test: Sequence[MappedCase]
    label_names: Sequence[str]
    training: DecoderTraining
    seed: int
    device: torch.device | str
    amp: bool

    def finished(self) -> DecodedFold | None:
        """The result of an earlier run with the same encoder, cases and settings."""
        found = finished_cell(self.place, self._identity())
        if found is None:
            return None
        dice = {case: {k: math.nan if v is None else v for k, v in row.items()} for case, row in found["dice"].items()}
        return DecodedFold(dice, found["loss"])

    def compute(self, on_step: Callable[[float], None]) -> DecodedFold:
        """Train, predict and score; labels on the square go beside the result, for pictures."""
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
            device=self.device,
            amp=self.amp,
            seed=self.seed,
            on_step=step,
        )
        dice = {}
        self.place.mkdir(parents=True, exist_ok=True)
        with AtomicFiles() as files:
            for number, case in enumerate(self.test):
                native, fitted = predict_labels(decoder, case, device=self.device, amp=self.amp)
                dice[case.case_id] = self._dice(native, case)
                np.savez_compressed(files.path(self._labels_path(number)), labels=fitted)
        curve = [float(np.mean(part)) for part in np.array_split(losses, min(_POINTS, len(losses)))]
        result = DecodedFold(dice, curve)
        plain = {case: {k: None if math.isnan(v) else v for k, v in row.items()} for case, row in result.dice.items()}
        finish_cell(self.place, self._identity(), {"dice": plain, "loss": curve})
        return result

    def fitted_labels(self, number: int) -> NDArray[np.uint8]:
        """Labels [D, S, S] that were predicted for a test case."""
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
            "decoder": self.decoder,
            # the key of a case's labels tells its files, too
            "cases": [[case.labels.key for case in side] for side in (self.train, self.test)],
            "label_names": list(self.label_names),
            "training": asdict(self.training),
            "seed": self.seed,
            "amp": self.amp,
        }
        return cell_identity(asked)
