"""Train on patients whose labels lack organs, with and without saying so: how good is either on complete references?

    python benchmarks/partial_labels.py --data_dir openkbp_hn_ct --work_dir out --epochs 9

From half of the training patients a random half of their organs is deleted. One network is told of each case which
organs were annotated, the other takes what is missing for background. Both are trained by the stock ``train.json`` with
the laptop's overlay, for as many steps from the same random weights, and both are scored by the stock
``evaluate.json`` on patients of the published validation list, each on the organs that its reference has.
Intervals are over patients. A killed run goes on where it was.

Data: ``pt_N_ct.nii.gz`` and ``pt_N_organs.nii.gz``, converted from OpenKBP (Babier et al. 2021), in which an organ that
is absent from a file was not contoured.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from common import RESULTS, write_results
from stock_runs import dice_of, dice_table, run_bundle, write_set

from meddino_components.probing.statistics.bootstrap import Bootstrap, percentile_interval
from meddino_components.probing.statistics.metrics import mean_dice

ORGANS = ("brainstem", "spinal cord", "right parotid", "left parotid", "oesophagus", "larynx", "mandible")
_LAST_TRAINING_PATIENT = 200  # the published split: 1 to 200 train, 201 to 240 validation
# the grid of the set: pixels of about 4 mm, and slices that hold it at 2.5 mm
_GRID = {"pixdim": [2.5, 2.5], "roi_size": [112, 160]}


def organs_of(path: Path) -> list[str]:
    """Names of the organs that were contoured."""
    present = np.unique(np.asarray(nib.load(path).dataobj)).tolist()
    return [ORGANS[k - 1] for k in present if k]


def with_organs_deleted(path: Path, deleted: Sequence[str], target: Path) -> Path:
    """A copy of a label map without some organs."""
    if not target.exists():
        label = nib.load(path)
        voxels = np.asarray(label.dataobj).copy()
        voxels[np.isin(voxels, [ORGANS.index(name) + 1 for name in deleted])] = 0
        target.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(voxels, label.affine, label.header), target)
    return target


def training_cases(data: Path, work: Path, seed: int) -> tuple[list[dict[str, Any]], int]:
    """The training patients, half of them with a random half of their organs deleted, and how many were deleted."""
    rng = np.random.default_rng(seed)
    cases, n_deleted = [], 0
    for number, label in enumerate(labels_of(data, training=True)):
        organs = organs_of(label)
        if number % 2:
            deleted = [organs[k] for k in rng.permutation(len(organs))[: (len(organs) + 1) // 2]]
            label = with_organs_deleted(label, deleted, work / "labels" / label.name)
            organs = [name for name in organs if name not in deleted]
            n_deleted += len(deleted)
        cases.append(case_of(data, label, organs))
    return cases, n_deleted


def labels_of(data: Path, *, training: bool) -> list[Path]:
    """Label maps of one side of the published split, by the patient's number."""
    numbered = sorted((int(path.name.split("_")[1]), path) for path in data.glob("pt_*_organs.nii.gz"))
    return [path for number, path in numbered if (number <= _LAST_TRAINING_PATIENT) == training]


def case_of(data: Path, label: Path, organs: Sequence[str]) -> dict[str, Any]:
    scan = data / label.name.replace("_organs", "_ct")
    return {"image": str(scan), "label": str(label), "annotated": list(organs)}


def trained(work: Path, arm: str, cases: Sequence[Mapping[str, Any]], arguments: argparse.Namespace) -> Path:
    """Weights of one arm at the end of its training."""
    output = work / arm
    if not (output / "model.pt").exists():
        checkpoint = output / "checkpoint.pt"
        overrides = {
            "dataset_dir": str(write_set(work / f"set_{arm}", cases, ORGANS, "CT")),
            "output_dir": str(output),
            "cache_dir": str(work / "cache"),
            "n_folds": 17,
            "split": "patients",
            "epochs": arguments.epochs,
            "seed": arguments.seed,
            "keep_best_model": False,  # its ten validation cases say nothing of organs that nobody annotated
            "validation_interval": arguments.epochs,
            "resume": checkpoint.exists(),
            "amp": False,
            **_GRID,
        }
        run_bundle(work / f"train_{arm}.log", ("train", "laptop"), overrides)
    return output / "model.pt"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", type=Path, required=True)
    parser.add_argument("--work_dir", type=Path, required=True, help="for sets, cache, weights and scores")
    parser.add_argument("--epochs", type=int, default=9, help="of 100 steps each")
    parser.add_argument("--seed", type=int, default=0, help="for the deleted organs and both trainings")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    data, work = arguments.data_dir.resolve(), arguments.work_dir.resolve()
    cases, n_deleted = training_cases(data, work, arguments.seed)
    tested = [case_of(data, label, organs_of(label)) for label in labels_of(data, training=False)]
    reference = write_set(work / "set_reference", tested, ORGANS, "CT")
    silent = [{key: value for key, value in case.items() if key != "annotated"} for case in cases]
    arms = {"annotated": cases, "taken for background": silent}
    tables = {}
    names = [Path(case["image"]).name.removesuffix(".nii.gz") for case in tested]
    for arm, listed in arms.items():
        folder = arm.replace(" ", "_")
        weights = trained(work, folder, listed, arguments)
        tables[arm] = dice_table(dice_of(work, folder, str(weights), reference), names, ORGANS)
    resamples = Bootstrap(n_resamples=2000).resample(torch.arange(len(names)))
    rows = []
    for number, organ in [*enumerate(ORGANS), (None, "mean over organs")]:
        chosen = slice(None) if number is None else slice(number, number + 1)
        values = {arm: mean_dice(torch.from_numpy(table[:, chosen]), resamples) for arm, table in tables.items()}
        found = {arm: percentile_interval(value) for arm, value in values.items()}
        gain = percentile_interval(values["annotated"] - values["taken for background"])
        rows.append(
            {
                "organ": organ,
                "patients": int(np.isfinite(tables["annotated"][:, chosen]).any(1).sum()),
                **{f"{arm} (95 %)": f"{i.value:.3f} ({i.low:.3f} to {i.high:.3f})" for arm, i in found.items()},
                "gain (95 %)": f"{gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})",
            }
        )
    write_results(
        "partial_labels_cpu",
        rows,
        question="What is gained by telling a training which organs of a case were annotated?",
        settings={
            "training patients": len(cases),
            "organs deleted": n_deleted,
            "steps": 100 * arguments.epochs,
            "network": "vit_mini (laptop.json), random weights",
            "seed": arguments.seed,
        },
        packages=("torch", "monai"),
        notes=[
            "Dice on patients of the published validation list, each on the organs that were contoured in it.",
            "Also in the other half of the training patients not every organ was contoured.",
        ],
        folder=arguments.results,
    )


if __name__ == "__main__":
    main()
