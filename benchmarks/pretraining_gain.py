"""What pretraining on one scan's own slices is worth: organ scores of frozen features, and Dice after fine-tuning.

One labelled CT is split into slabs with unused slices between them: some are pretraining's (their labels are not
looked at), some teach probes and fine-tuning, some test both. Every step is a command that a user would type: `curate`,
the three stages, `evaluate`, and the AMOS bundle's training and evaluation from the result and from random weights.
Run: ``python benchmarks/pretraining_gain.py --image ct.nii.gz --label organs.nii.gz``.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import Any

import nibabel as nib
import numpy as np
from common import RESULTS, write_results

from meddino_components.data import AMOS_LABELS
from meddino_components.features.slab_split import Slab, split_slabs
from meddino_components.probing.statistics.intervals import Interval

BUNDLES = Path(__file__).parent.parent / "bundles"
PRETRAIN = BUNDLES / "meddinov3_pretrain" / "configs"
AMOS = BUNDLES / "meddinov3_seg_amos" / "configs"
ROLES = [*["pretrain", "train", "test"] * 4, "pretrain"]
STAGES = {1: ("train", "laptop"), 2: ("stage2_gram", "laptop"), 3: ("stage3_highres", "laptop_highres")}


class Trial:
    """Commands with their output beside the results; what a stopped trial had finished is not run again.

    Args:
        folder: of everything the commands write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, name: str, *arguments: object) -> tuple[float, str]:
        """Run a command of this Python; returns its seconds and what it printed.

        Raises:
            SystemExit: the command failed; its output is in the file that is named.
        """
        command = [sys.executable, *map(str, arguments)]
        print(f"\n$ {shlex.join(['python', *command[1:]])}", flush=True)
        log, finished = self.folder / f"{name}.log", self.folder / f"{name}.seconds"
        if finished.exists():
            return float(finished.read_text()), log.read_text()
        started = perf_counter()
        with log.open("w") as file:
            done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env=os.environ)
        if done.returncode:
            raise SystemExit(f"the command failed: see {log}")
        finished.write_text(f"{perf_counter() - started:.1f}")
        return float(finished.read_text()), log.read_text()

    def bundle(self, name: str, configs: Sequence[Path], overrides: Mapping[str, object]) -> tuple[float, str]:
        """`monai.bundle run`."""
        options = [text for key, value in overrides.items() for text in (f"--{key}", str(value))]
        return self.run(name, "-m", "monai.bundle", "run", "--config_file", [str(c) for c in configs], *options)


def split_scan(image_path: Path, label_path: Path, classes: Sequence[int], folder: Path, gap: int) -> Path:
    """Write pretraining's slabs as scans, the others as an AMOS-like data set; returns the map of AMOS's labels."""
    image, source = nib.load(image_path), nib.load(label_path)
    numbers = np.asarray(source.dataobj)
    labels = np.zeros(numbers.shape, np.uint8)
    for organ, number in enumerate(classes, start=1):
        labels[numbers == number] = organ
    voxels = np.rint(np.asarray(image.dataobj)).astype(np.int16)
    entries: dict[str, list[dict[str, str]]] = {"training": [], "validation": []}

    def write(path: Path, array: Any, slab: Slab) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = slice(slab.first, slab.last)
        nib.save(nib.Nifti1Image(array[..., part], image.slicer[..., part].affine), path)

    for slab in split_slabs(voxels.shape[2], roles=ROLES, gap=gap):
        if slab.role == "pretrain":
            write(folder / "scans" / f"slab_{slab.first:04d}.nii.gz", voxels, slab)
            continue
        section, suffix = ("training", "Tr") if slab.role == "train" else ("validation", "Va")
        entry = {}
        for kind, array in (("image", voxels), ("label", labels)):
            path = Path(f"{kind}s{suffix}") / f"amos_{slab.first:04d}.nii.gz"
            write(folder / "dataset" / path, array, slab)
            entry[kind] = f"./{path}"
        entries[section].append(entry)
    names = {str(number): name for number, name in AMOS_LABELS.items()}
    description = {"name": "AMOS", "labels": names, "test": [], **entries}
    (folder / "dataset" / "dataset.json").write_text(json.dumps(description))
    nib.save(nib.Nifti1Image(labels, image.affine), folder / "label.nii.gz")
    return folder / "label.nii.gz"


def pretrain(trial: Trial, reference: Mapping[str, object], iterations: Sequence[int] | None) -> list[dict[str, Any]]:
    """The stages, of so many iterations an epoch each, and what `evaluate` finds after each.

    Args:
        trial: where they run.
        reference: settings of the labelled slices.
        iterations: iterations of each stage that is run, from the first; None for all stages as the overlays have them.
    """
    found: list[dict[str, Any]] = []
    for stage, (config, overlay) in list(STAGES.items())[: None if iterations is None else len(iterations)]:
        output = trial.folder / f"stage_{stage}"
        start: dict[str, object] = {}
        if iterations is not None:
            start["iterations_per_epoch"] = iterations[stage - 1]
        if stage > 1:
            start["previous_checkpoint"] = trial.folder / f"stage_{stage - 1}" / "checkpoint.pt"
            start["gram_weights"] = trial.folder / "stage_1" / "teacher.safetensors"
        teacher = output / "teacher.safetensors"
        overrides = {
            "store": trial.folder / "store",
            "output_dir": output,
            "teacher_path": teacher,
            "progress": False,
            **start,
            **reference,
        }
        configs = [PRETRAIN / f"{config}.json", PRETRAIN / f"{overlay}.json"]
        seconds, text = trial.bundle(f"stage_{stage}", configs, overrides)
        warnings = [line for line in text.splitlines() if "WARNING" in line and "collapse_monitor" in line]
        evaluated = {"model_path": teacher, "output_dir": output / "evaluation", **reference}
        trial.bundle(f"evaluate_{stage}", [PRETRAIN / "evaluate.json", PRETRAIN / "laptop.json"], evaluated)
        scores = organ_scores(output / "evaluation" / "patches.json")
        found.append({"seconds": round(seconds), "collapse_warnings": warnings, **scores})
    return found


def organ_scores(path: Path) -> dict[str, Any]:
    """By probe: each encoder's score, and the gain of the one in question over each control; and the test units."""
    written = json.loads(path.read_text())
    found: dict[str, Any] = {"units": written["units"]}
    for row in written["rows"]:
        of_probe = found.setdefault(row["probe"], {"scores": {}})
        of_probe["scores"][row["encoder"]] = row["scores"]["organ score"]["value"]
        if not row["is_control"]:
            of_probe["gain_over"] = row["gain_over"]
    return found


def fine_tune(trial: Trial, weights: str, *, seed: int, epochs: int, name: str) -> float:
    """Mean Dice of the AMOS bundle on the test slabs."""
    output = trial.folder / name
    folds = ROLES.count("train")
    common = {"dataset_dir": trial.folder / "dataset", "model_path": output / "model.pt", "n_folds": folds}
    training = {
        "output_dir": output,
        "cache_dir": trial.folder / "cache",
        "weights": weights,
        "seed": seed,
        "epochs": epochs,
        "validation_interval": epochs,
        "progress": False,
    }
    trial.bundle(name, [AMOS / "train.json", AMOS / "laptop.json"], {**common, **training})
    evaluated = {"output_dir": output / "evaluation", "section": "official_validation"}
    trial.bundle(f"{name}_evaluation", [AMOS / "evaluate.json", AMOS / "laptop.json"], {**common, **evaluated})
    return float(json.loads((output / "evaluation" / "metrics.json").read_text())["mean_dice"])


def rows_of(
    stages: Sequence[Mapping[str, Any]], dice: Mapping[str, Sequence[float]]
) -> tuple[list[dict[str, str]], list[str]]:
    """The table, and what has to be said about it."""

    def row(name: str, scores: Mapping[str, float], gains: Mapping[str, str]) -> dict[str, str]:
        tuned = dice.get(name, ())
        return {
            "encoder": name,
            "k-NN organ score": f"{scores['knn']:.3f}",
            "gain over random weights (95 %)": gains.get("knn", "-"),
            "logistic regression": f"{scores['logistic']:.3f}",
            "its gain (95 %)": gains.get("logistic", "-"),
            "Dice after fine-tuning, by seed": ", ".join(f"{value:.3f}" for value in tuned) or "-",
        }

    first = stages[0]
    rows = [
        row(name, {probe: first[probe]["scores"][name] for probe in ("knn", "logistic")}, {})
        for name in ("raw pixels", "random weights")
    ]
    notes = []
    for number, found in enumerate(stages, start=1):
        gains = {probe: found[probe]["gain_over"]["random weights"] for probe in ("knn", "logistic")}
        shown = {probe: Interval(**gain).text(signed=True) for probe, gain in gains.items()}
        rows.append(row(f"after stage {number}", {probe: found[probe]["scores"]["encoder"] for probe in gains}, shown))
        of_knn = Interval(**gains["knn"])
        says = "excludes 0" if of_knn.excludes_zero else "includes 0" if of_knn.has_bounds else "is missing"
        warned = len(found["collapse_warnings"])
        notes.append(
            f"Stage {number}: {found['seconds']} s; the interval of the k-NN gain {says}; "
            f"{warned or 'no'} warning{'' if warned == 1 else 's'} of collapse."
        )
    if dice:
        means = {name: mean(values) for name, values in dice.items()}
        gained = means[f"after stage {len(stages)}"] - means["random weights"]
        notes.append(f"Fine-tuned from stage {len(stages)} instead of random weights: mean Dice {gained:+.3f}.")
    return rows, notes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", type=Path, required=True, help="a CT")
    parser.add_argument("--label", type=Path, required=True, help="its organs, on the same grid")
    parser.add_argument(
        "--classes",
        type=int,
        nargs=15,
        default=list(range(1, 16)),
        help="numbers of AMOS's 15 organs in the label map; leave out an organ with a number that it lacks",
    )
    parser.add_argument(
        "--work_dir", type=Path, required=True, help="gets all that the commands write; give it again to go on"
    )
    parser.add_argument("--gap", type=int, default=2, help="unused slices between slabs")
    parser.add_argument("--reference_px", type=int, default=320, help="size at which features are judged")
    parser.add_argument(
        "--iterations_per_epoch",
        type=int,
        nargs="+",
        help="of each stage, instead of the overlay's; fewer numbers run the first stages only",
    )
    parser.add_argument("--fine_tuning_epochs", type=int, default=5, help="0 leaves fine-tuning out")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="of fine-tuning")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the result files")
    args = parser.parse_args()
    trial = Trial(args.work_dir.resolve())

    label = split_scan(args.image, args.label, args.classes, trial.folder, args.gap)
    trial.run(
        "curate",
        "-m",
        "meddino_components",
        "curate",
        trial.folder / "scans",
        trial.folder / "store",
        "--modality",
        "ct",
    )
    case = {"image": str(args.image.resolve()), "label": str(label), "case_id": "scan", "modality": "ct"}
    reference = {
        "reference_data": [case],
        "label_names": list(AMOS_LABELS.values()),
        "slab_roles": ROLES,
        "slab_gap": args.gap,
        "reference_px": args.reference_px,
        "reference_unit_slices": 2,
    }
    stages = pretrain(trial, reference, args.iterations_per_epoch)

    dice: dict[str, list[float]] = {}
    if args.fine_tuning_epochs:
        last = str(trial.folder / f"stage_{len(stages)}" / "teacher.safetensors")
        sources = {"random weights": "random", f"after stage {len(stages)}": last}
        for seed in args.seeds:
            for number, (name, weights) in enumerate(sources.items()):
                value = fine_tune(
                    trial, weights, seed=seed, epochs=args.fine_tuning_epochs, name=f"fine_tuned_{number}_{seed}"
                )
                dice.setdefault(name, []).append(value)
    rows, notes = rows_of(stages, dice)
    write_results(
        "pretraining_gain_cpu",
        rows,
        question="How much does pretraining on one scan's own slices improve its features?",
        settings={
            "slabs": " ".join(ROLES),
            "gap": args.gap,
            "reference_px": args.reference_px,
            "iterations of each epoch": args.iterations_per_epoch or "the overlay's",
            "fine-tuning epochs": args.fine_tuning_epochs,
        },
        packages=("torch", "monai", "numpy"),
        notes=[
            *notes,
            "All slabs are of one patient, with unused slices between them: this says nothing about other patients.",
        ],
        details={"stages": stages, "dice": dice},
        folder=args.results,
    )


if __name__ == "__main__":
    main()
