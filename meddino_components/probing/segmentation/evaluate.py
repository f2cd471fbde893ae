"""Segmentation by small decoders on frozen encoders, fold by fold, beside controls."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor
from tqdm import tqdm

from ...data.cases.patients import patient_of
from ...embeddings import FrozenEncoder
from ...embeddings.encoders import check_size, encoders_and_controls
from ...errors import InputError
from ...files import ResultFiles, write_csv, writes_results
from ...interruption import ends_on_signal
from ...networks.map_decoders import DecoderName
from ...pictures.blank_figure import require_matplotlib
from ...pictures.slice_choice import evenly_spaced
from ..finished_cells import cell_folder
from ..statistics.dice_bootstrap import BootstrappedDice
from ..tables.probe_tables import TABLE_SUFFIXES, Row, plain, write_tables
from .cells import DecodedFold, DecoderCell
from .decoder_training import DecoderTraining
from .folds import Case, Fold
from .loss_curves import write_loss_curves
from .mapped_set import MappedSet, map_cases
from .prediction_sheet import ShownCase, write_prediction_sheet

logger = logging.getLogger(__name__)

_OF_PICTURES: tuple[DecoderName, ...] = ("linear", "conv_2d")
_OF_VOLUMES: tuple[DecoderName, ...] = (*_OF_PICTURES, "conv_3d")
_MAIN = "Dice"


@ends_on_signal("finished cells stay, the same command goes on with the others")
@writes_results(
    *(f"segmentation.{suffix}" for suffix in TABLE_SUFFIXES),
    "segmentation_cases.csv",
    "segmentation_loss.png",
    *(f"predictions_{decoder}.png" for decoder in get_args(DecoderName)),
)
def evaluate_segmentation(
    *,
    folds: Sequence[Fold],
    encoders: Sequence[FrozenEncoder],
    controls: Sequence[FrozenEncoder],
    label_names: Sequence[str],
    size_px: int,
    cache_dir: str | Path,
    output_dir: str | Path,
    set_name: str = "segmentation",
    decoders: Sequence[DecoderName] | None = None,
    training: DecoderTraining | None = None,
    allow_same_patient: bool = False,
    batch_size: int = 8,
    num_workers: int = 0,
    device: torch.device | str = "cpu",
    amp: bool = False,
    n_resamples: int = 1000,
    seed: int = 0,
    n_pictures: int = 4,
    progress: bool = True,
) -> list[Row]:
    """Dice of decoders trained on each encoder's maps, and by how much each encoder beats each control.

    Maps of every slice are made once (`embed`) and stay as they are; a decoder is trained on the training cases of each
    fold and scored on its test cases, on their own grid. Nothing is chosen by the test cases: the last step's weights
    count. The mean is over classes of their means over the cases that show them. A case that cannot be read is left out
    for all, and counted. Finished combinations of fold, encoder and decoder are kept in ``output_dir/cells``.

    Args:
        folds: who is trained and tested, see `segmentation_folds`.
        encoders: the ones in question.
        controls: what they have to beat: random weights, raw pixels.
        label_names: of the classes by number, background first.
        size_px: side of the images, for all encoders.
        cache_dir: of maps and labels: 2 bytes a number, L x D numbers a patch.
        output_dir: gets ``segmentation.json``, ``.csv``, ``.md``, ``.tex`` and ``.png``, ``segmentation_cases.csv``,
            ``segmentation_loss.png``, and of each decoder ``predictions_<decoder>.png``.
        set_name: for the tables.
        decoders: "linear", "conv_2d" and, for volumes, "conv_3d"; None: all that suit.
        training: the recipe, see `DecoderTraining`.
        allow_same_patient: let cases of one patient be on both sides; the tables are then marked.
        batch_size: slices encoded at once.
        num_workers: processes that read images.
        device: where decoders run.
        amp: decoders multiply in bfloat16 on a GPU.
        n_resamples: of the bootstrap over patients.
        seed: of decoders, crops and bootstrap.
        n_pictures: test cases drawn, evenly spaced; 0 draws none.
        progress: show bars.

    Returns:
        a row for each encoder or control, and decoder.

    Raises:
        InputError: names of encoders that recur, a decoder that there is not, patients on both sides of a
            fold, a class that no training case of a fold shows, a fold without a readable case, a file of the user's or
            another process in ``output_dir``, or see `map_cases`.
    """
    require_matplotlib("the pictures of the scores")
    everyone = encoders_and_controls(encoders, controls)
    for encoder in everyone:
        check_size(encoder, size_px)
    check_decoders(decoders or ())
    _check_patients(folds, allow_same_patient)
    mapped = map_cases(
        folds,
        everyone,
        name=set_name,
        n_classes=len(label_names),
        size_px=size_px,
        cache_dir=cache_dir,
        batch_size=batch_size,
        num_workers=num_workers,
        progress=progress,
    )
    _check_classes(folds, mapped, label_names)
    recipe = training or DecoderTraining()
    folder = Path(output_dir)
    # with AMX, the backward pass of a 1 x 1 x 1 convolution in bfloat16 writes beyond its memory (oneDNN of torch
    # 2.13): on the CPU decoders stay in fp32
    on_gpu = torch.device(device).type == "cuda"
    cells = {
        (fold.name, encoder.name, decoder): DecoderCell(
            place=folder / "cells" / cell_folder(fold.name, encoder.name, decoder),
            encoder=encoder,
            decoder=decoder,
            train=mapped.of(encoder.name, fold.train),
            test=mapped.of(encoder.name, fold.test),
            label_names=label_names,
            training=recipe,
            seed=seed,
            device=device,
            amp=on_gpu and amp,
        )
        for fold in folds
        for encoder in everyone
        for decoder in decoders or suitable_decoders(folds)
    }
    results = _run(cells, recipe.iterations, progress)
    tested = [case for fold in folds for case in fold.test if str(case["case_id"]) not in mapped.unreadable]
    rows, of_patients = _rows(results, tested, encoders, controls, label_names[1:], n_resamples, seed)
    facts = {
        "set": f"{set_name}, {len(folds)} folds" if len(folds) > 1 else set_name,
        "size_px": size_px,
        "classes": list(label_names),
        # of how many blocks maps are known: conv_3d takes skips from the earlier ones
        "levels": {name: cell.train[0].maps().shape[1] for (_, name, _), cell in cells.items()},
        "samples": {"train": max(len(cell.train) for cell in cells.values()), "test": len(tested)},
        "unit": "patients",
        **of_patients,
        "unreadable": {"cases": len(mapped.unreadable)},
        "unreadable_samples": dict(mapped.unreadable),
        "within_one_patient": any(fold.shared_patients() for fold in folds),
    }
    heading = write_tables(folder, "segmentation", rows, facts, main=_MAIN)
    _write_cases(folder / "segmentation_cases.csv", results, mapped, label_names[1:])
    write_loss_curves(folder / "segmentation_loss.png", {key: result.loss for key, result in results.items()})
    if n_pictures:
        _draw(folder, cells, mapped, tested, n_pictures, label_names, size_px)
    logger.info("%s\n%s", heading, plain(rows, main=_MAIN))
    return rows


def check_decoders(names: Sequence[str]) -> None:
    """Raises InputError where one is no `DecoderName`."""
    known = get_args(DecoderName)
    if isinstance(names, str) or not set(names) <= set(known):
        raise InputError(f"decoders is {names!r}; expected a list of some of {', '.join(known)}")


def suitable_decoders(folds: Sequence[Fold]) -> tuple[DecoderName, ...]:
    """Those that are trained where none are named: of pictures all but the one that looks at neighbouring slices."""
    is_picture = any(case["modality"] == "picture" for fold in folds for case in (*fold.train, *fold.test))
    return _OF_PICTURES if is_picture else _OF_VOLUMES


Key = tuple[str, str, DecoderName]  # fold, encoder, decoder


def _run(cells: Mapping[Key, DecoderCell], iterations: int, progress: bool) -> dict[Key, DecodedFold]:
    results = {key: cell.finished() for key, cell in cells.items()}
    waiting = [key for key, result in results.items() if result is None]
    # one bar over all steps that are left: its estimate is that of the whole run
    with tqdm(total=len(waiting) * iterations, unit="step", disable=not progress) as bar:
        for key in waiting:
            bar.set_description(", ".join(key))

            def step(loss: float) -> None:
                bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
                bar.update()

            results[key] = cells[key].compute(step)
    return {key: result for key, result in results.items() if result is not None}


def _rows(
    results: Mapping[Key, DecodedFold],
    tested: Sequence[Case],
    encoders: Sequence[FrozenEncoder],
    controls: Sequence[FrozenEncoder],
    classes: Sequence[str],
    n_resamples: int,
    seed: int,
) -> tuple[list[Row], dict[str, Any]]:
    """Rows, and "units" and "shown_by" for `write_tables`."""
    bootstrap = BootstrappedDice([patient_of(case) for case in tested], n_resamples=n_resamples, seed=seed)
    dice: dict[tuple[str, str], Tensor] = {}
    for _, encoder, decoder in results:
        of_cases = {
            case: row
            for (_, name, kind), result in results.items()
            if (name, kind) == (encoder, decoder)
            for case, row in result.dice.items()
        }
        table = [[of_cases[str(case["case_id"])][name] for name in classes] for case in tested]
        dice[encoder, decoder] = torch.tensor(table, dtype=torch.float64)
    means = {key: bootstrap.means(table) for key, table in dice.items()}
    names_of_controls = [control.name for control in controls]
    rows = [
        Row(
            encoder=encoder,
            is_control=encoder in names_of_controls,
            probe=decoder,
            scores={_MAIN: bootstrap.interval(means[encoder, decoder])},
            gains={
                control: bootstrap.interval(means[encoder, decoder] - means[control, decoder])
                for control in names_of_controls
                if control != encoder
            },
            more={
                f"{_MAIN} {name}": float(value)
                for name, value in zip(classes, dice[encoder, decoder].nanmean(0), strict=True)
                if bool(value.isfinite())
            },
        )
        for encoder in [encoder.name for encoder in (*encoders, *controls)]
        for decoder in dict.fromkeys(decoder for _, _, decoder in results)
    ]
    # the reference's classes: the same under every encoder and decoder
    return rows, {"units": bootstrap.n_units, "shown_by": bootstrap.shown_by(next(iter(dice.values())), classes)}


def _check_patients(folds: Sequence[Fold], allow_same_patient: bool) -> None:
    shared = [(fold.name, patients) for fold in folds if (patients := fold.shared_patients())]
    if shared and not allow_same_patient:
        name, patients = shared[0]
        raise InputError(
            f"{name}: {len(patients)} patients are in training and test, such as {patients[0]}: decoders would be "
            "scored on patients that they were trained on. Split by patient, or set allow_same_patient to true: the "
            "tables are then marked as those within one patient"
        )


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
            folder / f"predictions_{decoder}.png",
            [ShownCase(mapped.cases[case], mapped.labels[case].fitted, found) for case, found in predictions.items()],
            label_names=label_names,
            size_px=size_px,
            title=decoder,
        )
