"""Segmentation by small decoders on frozen encoders, fold by fold, compared with controls."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ...data.cases.patients import patient_of
from ...embeddings import FrozenEncoder
from ...embeddings.encoders import check_size, encoders_and_controls
from ...errors import InputError
from ...files import OutputFolder, ResultFiles, write_csv, writes_results
from ...interruption import ends_on_signal
from ...pictures.blank_figure import require_matplotlib
from ...pictures.slice_choice import evenly_spaced
from ..encoding import Encoding
from ..finished_cells import cell_folder
from ..statistics.bootstrap import Bootstrap
from ..statistics.metrics import mean_dice
from ..tables.probe_tables import TABLE_SUFFIXES, plain, write_tables
from ..tables.rows import Row, measured_rows
from .cells import DecodedFold, DecoderCell
from .decoder_training import DecoderTraining
from .decoders import Decoder, suitable_decoders
from .folds import Case, Fold, SegmentationSet
from .loss_curves import write_loss_curves
from .mapped_set import MappedSet, map_cases
from .prediction_sheet import ShownCase, write_prediction_sheet

logger = logging.getLogger(__name__)

_MAIN = "Dice"


@ends_on_signal("finished cells stay, the same command goes on with the others")
@writes_results(
    *(f"segmentation.{suffix}" for suffix in TABLE_SUFFIXES),
    "segmentation_cases.csv",
    "segmentation_loss.png",
)
def evaluate_segmentation(
    *,
    segmentation_set: SegmentationSet,
    encoders: Sequence[FrozenEncoder],
    controls: Sequence[FrozenEncoder],
    size_px: int,
    encoding: Encoding,
    output_dir: str | Path,
    decoders: Sequence[Decoder] | None = None,
    training: DecoderTraining | None = None,
    bootstrap: Bootstrap | None = None,
    n_pictures: int = 4,
) -> list[Row]:
    """Dice of decoders trained on each encoder's maps, and by how much each encoder beats each control.

    Maps of every slice are computed once (`embed`) and stay as they are; a decoder is trained on the training cases of
    each fold and scored on its test cases, on their own grid. Nothing is chosen on the test cases: the weights of the
    last step count. Dice is averaged over the cases that show a class, then over classes. A case that cannot be read is
    left out for all encoders, and counted. Finished combinations of fold, encoder and decoder are kept in
    ``output_dir/cells``.

    Args:
        segmentation_set: cases of each fold, and their classes.
        encoders: the encoders to evaluate.
        controls: encoders that they have to beat: random weights, raw pixels.
        size_px: side of the images in pixels, for all encoders.
        encoding: settings for computing maps, and the folder that keeps maps and labels (2 bytes per number, L x D
            numbers per patch).
        output_dir: output folder for ``segmentation.json``, ``.csv``, ``.md``, ``.tex`` and ``.png``,
            ``segmentation_cases.csv``, ``segmentation_loss.png``, and ``predictions_<decoder>.png`` of each decoder.
        decoders: decoders to train, see `Decoder`; None trains all built-in ones that suit the set.
        training: settings for training the decoders.
        bootstrap: settings of the bootstrap over patients.
        n_pictures: number of test cases to draw, evenly spaced; 0 draws none.

    Returns:
        one row for each encoder or control and each decoder.

    Raises:
        InputError: names of encoders or decoders recur, ``decoders`` holds something else, no training case of a fold
            shows some class, a fold has no readable case, ``output_dir`` holds a file of the user's or is used by
            another process, or see `map_cases`.
    """
    require_matplotlib("the pictures of the scores")
    everyone = encoders_and_controls(encoders, controls)
    for encoder in everyone:
        check_size(encoder, size_px)
    trained = suitable_decoders(decoders, has_pictures=segmentation_set.has_pictures)
    folder = Path(output_dir)
    OutputFolder(folder).check([_sheet_name(decoder.name) for decoder in trained if n_pictures])
    folds, label_names = segmentation_set.folds, segmentation_set.label_names
    set_name, n_classes = segmentation_set.name, len(label_names)
    mapped = map_cases(folds, everyone, name=set_name, n_classes=n_classes, size_px=size_px, encoding=encoding)
    _check_classes(folds, mapped, label_names)
    recipe = training or DecoderTraining()
    cells = {
        (fold.name, encoder.name, decoder.name): DecoderCell(
            place=folder / "cells" / cell_folder(fold.name, encoder.name, decoder.name),
            encoder=encoder,
            decoder=decoder,
            train=mapped.of(encoder.name, fold.train),
            test=mapped.of(encoder.name, fold.test),
            label_names=label_names,
            training=recipe,
        )
        for fold in folds
        for encoder in everyone
        for decoder in trained
    }
    results = _run(cells, recipe.iterations, encoding.progress)
    tested = [case for fold in folds for case in fold.test if str(case["case_id"]) not in mapped.unreadable]
    dice = _dice(results, tested, label_names[1:])
    patients = np.unique(np.array([patient_of(case) for case in tested]), return_inverse=True)[1]
    resamples = (bootstrap or Bootstrap()).resample(torch.from_numpy(patients))
    measured = {key: {_MAIN: mean_dice(table, resamples)} for key, table in dice.items()}
    more = {key: _of_classes(table, label_names[1:]) for key, table in dice.items()}
    rows = measured_rows(measured, [control.name for control in controls], main=_MAIN, more=more)
    facts = {
        "set": f"{set_name}, {len(folds)} folds" if len(folds) > 1 else set_name,
        "size_px": size_px,
        "classes": list(label_names),
        # number of blocks whose maps are known: conv_3d takes skips from the earlier ones
        "levels": {name: cell.train[0].maps().shape[1] for (_, name, _), cell in cells.items()},
        "samples": {"train": max(len(cell.train) for cell in cells.values()), "test": len(tested)},
        "unit": "patients",
        "units": resamples.n_units,
        # the reference's classes: the same for all encoders and decoders
        "shown_by": resamples.shown_by(next(iter(dice.values())).isfinite(), label_names[1:]),
        "unreadable": {"cases": len(mapped.unreadable)},
        "unreadable_samples": dict(mapped.unreadable),
        "within_one_patient": segmentation_set.within_one_patient,
    }
    heading = write_tables(folder, "segmentation", rows, facts, main=_MAIN)
    _write_cases(folder / "segmentation_cases.csv", results, mapped, label_names[1:])
    write_loss_curves(folder / "segmentation_loss.png", {key: result.loss for key, result in results.items()})
    if n_pictures:
        _draw(folder, cells, mapped, tested, n_pictures, label_names, size_px)
    logger.info("%s\n%s", heading, plain(rows, main=_MAIN))
    return rows


Key = tuple[str, str, str]  # names of fold, encoder, decoder


def _run(cells: Mapping[Key, DecoderCell], iterations: int, progress: bool) -> dict[Key, DecodedFold]:
    results = {key: cell.finished() for key, cell in cells.items()}
    waiting = [key for key, result in results.items() if result is None]
    # one bar over all remaining steps, so that it estimates the time of the whole run
    with tqdm(total=len(waiting) * iterations, unit="step", disable=not progress) as bar:
        for key in waiting:
            bar.set_description(", ".join(key))

            def step(loss: float) -> None:
                bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
                bar.update()

            results[key] = cells[key].compute(step)
    return {key: result for key, result in results.items() if result is not None}


def _dice(
    results: Mapping[Key, DecodedFold], tested: Sequence[Case], classes: Sequence[str]
) -> dict[tuple[str, str], Tensor]:
    """Dice [N, K] of all tested cases by encoder and decoder, NaN if a case lacks a class."""
    of_cases: dict[tuple[str, str], dict[str, Mapping[str, float]]] = {}
    for (_, encoder, decoder), result in results.items():
        of_cases.setdefault((encoder, decoder), {}).update(result.dice)
    tables = {
        key: [[found[str(case["case_id"])][name] for name in classes] for case in tested]
        for key, found in of_cases.items()
    }
    return {key: torch.tensor(table, dtype=torch.float64) for key, table in tables.items()}


def _of_classes(dice: Tensor, classes: Sequence[str]) -> dict[str, float]:
    """Mean Dice of each class over the cases that show it."""
    means = dict(zip(classes, dice.nanmean(0).tolist(), strict=True))
    return {f"{_MAIN} {name}": value for name, value in means.items() if math.isfinite(value)}


def _check_classes(folds: Sequence[Fold], mapped: MappedSet, label_names: Sequence[str]) -> None:
    for fold in folds:
        sides = {"training": fold.train, "test": fold.test}
        shown = {}
        for side, cases in sides.items():
            readable = [str(case["case_id"]) for case in cases if str(case["case_id"]) not in mapped.unreadable]
            if not readable:
                raise InputError(f"{fold.name}: no case of the {side} side can be read; see the warnings above")
            present = torch.stack([torch.from_numpy(mapped.labels[i].present.any(0)) for i in readable]).any(0)
            shown[side] = [name for k, name in enumerate(label_names) if k and not present[k]]
        if shown["training"]:
            raise InputError(
                f"{fold.name}: no training case shows {', '.join(shown['training'])}: nothing can be learnt about it. "
                "Leave the class out, or take fewer folds"
            )
        if shown["test"]:
            logger.warning("%s: no test case shows %s: no score there", fold.name, ", ".join(shown["test"]))


def _sheet_name(decoder: str) -> str:
    return f"predictions_{decoder}.png"


def _write_cases(path: Path, results: Mapping[Key, DecodedFold], mapped: MappedSet, classes: Sequence[str]) -> None:
    with (
        ResultFiles() as files,
        files.path(path).open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        table: list[list[str]] = [["fold", "encoder", "decoder", "case", "patient", *classes]]
        for key, result in results.items():
            for case, row in result.dice.items():
                values = ("" if row[name] != row[name] else f"{row[name]:.6g}" for name in classes)
                table.append([*map(str, key), case, patient_of(mapped.cases[case]), *values])
        write_csv(file, table)


def _draw(
    folder: Path,
    cells: Mapping[Key, DecoderCell],
    mapped: MappedSet,
    tested: Sequence[Case],
    n_pictures: int,
    label_names: Sequence[str],
    size_px: int,
) -> None:
    chosen = [str(tested[k]["case_id"]) for k in evenly_spaced(len(tested), n_pictures)]
    for decoder in dict.fromkeys(decoder for _, _, decoder in cells):
        predictions: dict[str, dict[str, Any]] = {case: {} for case in chosen}
        for (_, encoder, kind), cell in cells.items():
            for number, case in enumerate(cell.test):
                if kind == decoder and case.case_id in predictions:
                    predictions[case.case_id][encoder] = cell.fitted_labels(number)
        write_prediction_sheet(
            folder / _sheet_name(decoder),
            [ShownCase(mapped.cases[case], mapped.labels[case].fitted, found) for case, found in predictions.items()],
            label_names=label_names,
            size_px=size_px,
            title=decoder,
        )
