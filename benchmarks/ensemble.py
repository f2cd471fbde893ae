"""Five networks of a cross-validation, one by one and together: how good on patients that none of them saw?

    python benchmarks/ensemble.py --data_dir msd_hippocampus --work_dir out --epochs 4

Every fifth patient is held out. The other ones are cross-validated by ``cross_validate`` in five folds (``train.json``
with the laptop's overlay); the network of each fold, and all five as one list, are scored by ``evaluate.json`` on the
patients held out. Intervals are over patients, those of the gain over the same resamples. A killed run goes on where it
was. The memory of either is measured by ``ensemble_memory.py``.

Data: the hippocampi of the Medical Segmentation Decathlon (Antonelli et al. 2022), in its layout.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from common import RESULTS, write_results
from stock_runs import dice_of, dice_table, run_logged, write_set

from meddino_components.data.cases.datasets import read_datalist
from meddino_components.data.cases.label_names import label_names
from meddino_components.probing.statistics.bootstrap import Bootstrap, percentile_interval
from meddino_components.probing.statistics.metrics import mean_dice

_HELD_OUT_EVERY = 5
# the grid of the set: pixels of 1 mm, and slices of about 35 x 50 pixels
_GRID = {"pixdim": [0.5, 0.5], "roi_size": [96, 96]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", type=Path, required=True)
    parser.add_argument("--work_dir", type=Path, required=True, help="for sets, cache, weights and scores")
    parser.add_argument("--epochs", type=int, default=4, help="of 100 steps each, for each fold")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    work = arguments.work_dir.resolve()
    organs = [name for number, name in label_names(arguments.data_dir).items() if number]
    cases = read_datalist(arguments.data_dir.resolve(), section="all_labelled", modality="mr")
    listed = [{"image": case["image"], "label": case["label"]} for case in cases]
    held_out = listed[::_HELD_OUT_EVERY]
    trained = write_set(work / "set_folds", [case for case in listed if case not in held_out], organs, "MRI")
    reference = write_set(work / "set_held_out", held_out, organs, "MRI")
    command = [sys.executable, "-m", "meddino_components", "cross_validate", str(trained), str(work / "folds")]
    settings = {
        "folds": arguments.folds,
        "overlay_config": "laptop",
        "modality": "mr",
        "epochs": arguments.epochs,
        "validation_interval": arguments.epochs,
        "keep_best_model": False,
        "cache_dir": str(work / "cache"),
        "amp": False,
        **_GRID,
    }
    run_logged(work / "cross_validate.log", command, settings)
    weights = [str(work / "folds" / f"fold_{number}" / "model.pt") for number in range(arguments.folds)]
    names = [str(case["case_id"]) for case in cases[::_HELD_OUT_EVERY]]
    arms = {f"fold {number}": path for number, path in enumerate(weights)}
    resamples = Bootstrap(n_resamples=2000).resample(torch.arange(len(names)))
    means = {
        arm: mean_dice(
            torch.from_numpy(dice_table(dice_of(work, arm.replace(" ", "_"), of, reference), names, organs)), resamples
        )
        for arm, of in {**arms, "all together": weights}.items()
    }
    rows = []
    for arm, values in means.items():
        found, gain = percentile_interval(values), percentile_interval(means["all together"] - values)
        rows.append(
            {
                "network": arm,
                "mean Dice (95 %)": f"{found.value:.4f} ({found.low:.4f} to {found.high:.4f})",
                "gain of all together (95 %)": f"{gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})",
            }
        )
    write_results(
        "ensemble_cpu",
        rows,
        question="How good are the networks of five folds one by one and together, on patients that none of them saw?",
        settings={
            "patients in the folds": len(listed) - len(held_out),
            "patients held out": len(held_out),
            "steps of each fold": 100 * arguments.epochs,
            "network": "vit_mini (laptop.json), random weights",
        },
        packages=("torch", "monai"),
        notes=["Mean over structures of the mean Dice over patients."],
        folder=arguments.results,
    )


if __name__ == "__main__":
    main()
