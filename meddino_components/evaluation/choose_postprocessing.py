"""Choose the post-processing of each organ on held-out predictions, and keep only what helps."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import MetaTensor
from monai.transforms import Compose, Transform
from tqdm import tqdm

from ..checkpoints import WeightsRecord, check_target, read_record, write_with_record
from ..data.cases.datasets import read_datalist
from ..data.volumes.grids import CheckSameGridd
from ..data.volumes.label_loading import LoadLabeld
from ..data.volumes.loading import LoadVolumed
from ..data.volumes.regions import LoadRegionLabelsd
from ..errors import InputError
from ..files import OutputFolder, write_csv, write_text
from ..inference.postprocessing import plain_steps
from .evaluated_folders import EvaluatedCases, evaluated_cases
from .postprocessing_candidates import Candidate, LabelledCase, candidates, mean_dice

CHOICE, TABLE = "postprocessing.json", "postprocessing.csv"
_COLUMNS = ("organ", "cases", "steps", "dice_before", "dice_after", "kept")
_SMALLEST_ML = (0.1, 1.0, 10.0)
_ROOM = "meddino_components.inference"


@dataclass(frozen=True)
class Trial:
    """One candidate for one organ, tried alone: the other organs as they were predicted."""

    organ: str
    steps: Candidate
    n_cases: int
    before: float
    after: float


def choose_postprocessing(
    *folders: str,
    dataset_dir: str,
    layout: str | None = None,
    modality: str | None = None,
    drawn_names: Mapping[str, str] | None = None,
    output_dir: str = ".",
    margin: float = 0.001,
    smallest_ml: Sequence[float] | None = None,
    model: str | None = None,
    write: str | None = None,
) -> str:
    """Choose the post-processing of each organ on predictions of cases that the networks were not trained on.

    Filling holes, the largest component, smallest sizes and pairs of these are tried for each organ. An organ keeps
    what raises its mean Dice over all cases by more than --margin, and the simplest of what is equally good. Nothing is
    kept that does not help in the end, with the steps of all organs applied together.

    Args:
        folders: folders that evaluate.json wrote with ``--postprocess False``, or folders of these, such as the folds
            of a cross-validation.
        dataset_dir: data set that was evaluated; the references are read from it.
        layout: layout of the data set; recognised if omitted.
        modality: ct or mr, if the data set does not state it.
        drawn_names: label for each name of a region drawn in DICOM, as for evaluate.json.
        output_dir: folder for postprocessing.json, a second ``--config_file`` of inference.json and evaluate.json, and
            for postprocessing.csv, which lists all that was tried.
        margin: smallest gain in mean Dice that counts.
        smallest_ml: smallest sizes of components to try, in ml; 0.1, 1 and 10 if omitted.
        model: weights for --write, with the labels of the predictions.
        write: path of a new weight file: a copy of --model with the chosen steps in its record. Existing files are
            never replaced.

    Raises:
        InputError: a folder has no evaluation or was post-processed, a case is in two folders or not in the data set,
            or the weights have other labels.
    """
    if not math.isfinite(margin) or margin < 0:
        raise InputError(f"margin is {margin}; expected a number of at least 0")
    tried = candidates(_SMALLEST_ML if smallest_ml is None else smallest_ml)
    found = evaluated_cases([Path(folder) for folder in folders])
    record = None if write is None else _record_for(model, write, found)
    cases = _listed(found, dataset_dir, layout, modality)
    with OutputFolder(output_dir).held((CHOICE, TABLE)) as output:
        read = _reader(found, cases, drawn_names)
        trials = _try_all(read, tried)
        before = {trial.organ: (trial.before, trial.n_cases) for trial in trials}
        chosen, after = _keep_what_helps_together(read, choose(trials, margin), before, margin)
        with output.files() as files:
            overlay = {"postprocess": {organ: [_component(step) for step in steps] for organ, steps in chosen.items()}}
            text = json.dumps(overlay, indent=2, ensure_ascii=False)
            write_text(files.path(output.path / CHOICE), text + "\n")
            with files.path(output.path / TABLE).open("w", newline="", encoding="utf-8") as file:
                write_csv(file, [_COLUMNS, *(_row(trial, chosen) for trial in trials)])
    lines = [_table(chosen, before, after), f"wrote {output.path / CHOICE} and {output.path / TABLE}"]
    if record is not None and model is not None and write is not None:
        sha256 = write_with_record(Path(model), Path(write), replace(record, postprocessing=plain_steps(chosen)))
        lines.append(f"wrote {write}, SHA-256 {sha256}")
    return "\n".join(lines)


def choose(trials: Sequence[Trial], margin: float) -> dict[str, Candidate]:
    """Return the best candidate of each organ that has one; one with more steps has to be better by the margin, too.

    Args:
        trials: candidates, those with fewer steps first.
        margin: smallest gain in mean Dice that counts.
    """
    best: dict[str, Trial] = {}
    for trial in trials:
        to_beat = best[trial.organ].after if trial.organ in best else trial.before
        as_simple = trial.organ in best and len(best[trial.organ].steps) == len(trial.steps)
        if trial.after - trial.before > margin and trial.after - to_beat > (0 if as_simple else margin):
            best[trial.organ] = trial
    return {organ: trial.steps for organ, trial in best.items()}


Reader = Callable[[str], Iterator[LabelledCase]]
Means = dict[str, tuple[float, int]]


def _try_all(read: Reader, tried: Sequence[Candidate]) -> list[Trial]:
    # the first entry of each organ is its Dice as predicted
    found = [case.dice_of_candidates([(), *tried]) for case in read("trying")]
    trials = []
    for organ in dict.fromkeys(organ for of in found for organ in of):
        means = [
            mean_dice([{organ: of[organ][n]} for of in found if organ in of], organ) for n in range(len(tried) + 1)
        ]
        before, n_cases = means[0]
        trials += [
            Trial(organ, steps, n_cases, before, after) for steps, (after, _) in zip(tried, means[1:], strict=True)
        ]
    return trials


def _keep_what_helps_together(
    read: Reader, chosen: dict[str, Candidate], before: Means, margin: float
) -> tuple[dict[str, Candidate], Means]:
    """Apply all chosen steps together; drop those that no longer help, until all do. Returns the means after them."""
    while True:
        found = [case.dice(chosen) for case in read("checking")]
        after = {organ: mean_dice(found, organ) for organ in before}
        useless = [organ for organ in chosen if not after[organ][0] - before[organ][0] > margin]
        if not useless:
            return chosen, after
        chosen = {organ: steps for organ, steps in chosen.items() if organ not in useless}


def _listed(
    found: EvaluatedCases, dataset_dir: str, layout: str | None, modality: str | None
) -> dict[str, Mapping[str, Any]]:
    """Return the evaluated cases as the data set lists them."""
    cases = read_datalist(dataset_dir, layout, "all_labelled", modality=modality)
    if set(found.predictions) - {str(case["case_id"]) for case in cases}:
        with suppress(InputError):  # not every data set has such a list
            cases += read_datalist(dataset_dir, layout, "official_validation", modality=modality)
    listed: dict[str, Mapping[str, Any]] = {str(case["case_id"]): case for case in cases if "label" in case}
    if missing := sorted(set(found.predictions) - set(listed)):
        raise InputError(
            f"{dataset_dir}: has no label for case {missing[0]} of {found.predictions[missing[0]].parent}; give the "
            "data set that was evaluated"
        )
    return listed


def _reader(
    found: EvaluatedCases, cases: Mapping[str, Mapping[str, Any]], drawn_names: Mapping[str, str] | None
) -> Reader:
    load_label: Transform = (
        LoadLabeld("label", label_names=found.labels, drawn_names=drawn_names)
        if found.regions is None
        else LoadRegionLabelsd("label", regions=found.regions)
    )
    # the prediction stands in for the image, whose grid it has
    load = Compose([LoadVolumed("image", label_keys="image"), load_label, CheckSameGridd()])

    def read(what: str) -> Iterator[LabelledCase]:
        for case_id, path in tqdm(sorted(found.predictions.items()), desc=what, unit="case"):
            case = load({**cases[case_id], "image": str(path)})
            prediction, reference = (_voxels(case[key]) for key in ("image", "label"))
            yield LabelledCase(
                prediction=prediction,
                reference=reference,
                spacing_mm=[float(mm) for mm in np.linalg.norm(np.asarray(case["label"].affine)[:3, :3], axis=0)],
                label_names=found.label_names,
                regions=found.regions,
                case_id=case_id,
                annotated=case.get("annotated"),
            )

    return read


def _voxels(labels: MetaTensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(labels.as_tensor()[0].numpy(), dtype=np.uint8)


def _record_for(model: str | None, write: str, found: EvaluatedCases) -> WeightsRecord:
    """Return the record of the weights that are to be copied, once it fits the predictions."""
    if model is None:
        raise InputError(f"--write {write} needs --model, the weights that the new file is a copy of")
    record = read_record(model)
    check_target(Path(model), Path(write))
    if record is None or not record.labels:
        raise InputError(f"{model}: has no record of a segmentation network, in which the steps could be written")
    names = [] if record.regions is None else list(record.regions["names"])
    if dict(record.labels) | {0: ""} != dict(found.labels) | {0: ""} or names != list(
        found.regions.names if found.regions else ()
    ):
        raise InputError(
            f"{model}: its record has the labels {', '.join(record.labels.values())}, the predictions have "
            f"{', '.join(found.labels.values())}; give weights with the labels of the predictions"
        )
    return record


def _component(step: Any) -> dict[str, Any]:
    """Return a step as a configuration names it."""
    settings = {name: value for name, value in step.plain().items() if name != "step"}
    return {"_target_": f"{_ROOM}.{type(step).__name__}", **settings}


def _row(trial: Trial, chosen: Mapping[str, Candidate]) -> list[str]:
    kept = "yes" if chosen.get(trial.organ) == trial.steps else "no"
    dice = [f"{value:.6f}" for value in (trial.before, trial.after)]
    return [trial.organ, str(trial.n_cases), _in_words(trial.steps), *dice, kept]


def _in_words(steps: Candidate) -> str:
    return " + ".join(
        " ".join([step.name, *(f"{value:g} ml" for name, value in step.plain().items() if name == "volume_ml")])
        for step in steps
    )


def _table(chosen: Mapping[str, Candidate], before: Means, after: Means) -> str:
    """Return the table of mean Dice that is printed; all chosen steps are applied together."""
    width = max(len(organ) for organ in [*before, "mean of organs"])
    lines = [f"{'organ':{width}}  cases  Dice before   after  steps"]
    for organ, (value, n_cases) in before.items():
        steps = _in_words(chosen[organ]) if organ in chosen else "-"
        lines.append(f"{organ:{width}}  {n_cases:5}  {value:11.4f}  {after[organ][0]:6.4f}  {steps}")
    means = [float(np.nanmean([value for value, _ in of.values()])) for of in (before, after)]
    lines.append(f"{'mean of organs':{width}}         {means[0]:11.4f}  {means[1]:6.4f}")
    return "\n".join(lines)
