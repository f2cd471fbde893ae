"""A data set as it was published, of other labels, modality and size than the bundle: its weights say all of it again.

Hippocampi of 191 patients in MR, in the layout of the Medical Segmentation Decathlon, by commands that a user types.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from command_lines import AMOS, run_preloaded

from meddino_components.data import read_datalist

pytestmark = pytest.mark.slow

NETWORK = {"backbone": "vit_mini", "interaction_indices": [1, 3, 5, 7]}
LENGTH = {"epochs": 1, "iterations_per_epoch": 30, "batch_size": 4, "num_workers": 0, "progress": False}


def task():
    if not os.environ.get("MEDDINO_DATA"):
        pytest.skip("set MEDDINO_DATA to the folder with real scans")
    return Path(os.environ["MEDDINO_DATA"]) / "msd_hippocampus"


def typed(*words, **settings):
    """Status and output of a command."""
    options = [str(text) for key, value in settings.items() for text in (f"--{key}", value)]
    return run_preloaded(sys.executable, "-m", *map(str, words), *options)


def done(*words, **settings):
    finished = typed(*words, **settings)
    assert finished.returncode == 0, finished.stdout[-1000:] + finished.stderr[-3000:]


def configurations(name, *more):
    return "[" + ",".join(f"'{path}'" for path in (AMOS / "configs" / f"{name}.json", *more)) + "]"


def labels_in(folder):
    return {path.name: np.asanyarray(nib.load(path).dataobj) for path in folder.glob("*.nii.gz")}


def test_the_weights_alone_give_what_everything_typed_gives(tmp_path):
    plan, run = tmp_path / "plan.json", tmp_path / "run"
    done("meddino_components", "plan", task(), "msd", modality="mr", roi_size=64, output=plan)
    data = {"dataset_dir": task(), "dataset_layout": "msd", "modality": "mr"}
    names = {"label_names": ["background", "anterior", "posterior"]}
    given = {**data, **names, **NETWORK, **LENGTH, "weights": "random", "output_dir": run}
    training = ("monai.bundle", "run", "training", "--config_file", configurations("train", plan))
    done(*training, **given)

    another_fold = typed(*training, **given | {"fold": 1, "resume": True, "epochs": 2})
    assert another_fold.returncode == 2
    assert "was written with fold 0 (this run: 1)" in another_fold.stderr.splitlines()[-1]

    held_out = read_datalist(task(), "msd", section="validation", fold=0, modality="mr")
    assert len(held_out) == 39
    scans = tmp_path / "scans"
    scans.mkdir()
    for case in held_out[:5]:
        shutil.copy(case["image"], scans)
    done("meddino_components", "segment", scans, tmp_path / "alone", model=run / "model.pt", modality="mr")
    # the same tensors without their record
    torch.save(torch.load(run / "model.pt", weights_only=True), tmp_path / "bare.pt")
    everything = {**names, **NETWORK, "modality": "mr", "model_path": tmp_path / "bare.pt"}
    inference = ("monai.bundle", "run", "--config_file", configurations("inference", plan))
    done(*inference, **everything, dataset_dir=scans, output_dir=tmp_path / "typed")
    evaluation = ("monai.bundle", "run", "--config_file", configurations("evaluate"))
    done(*evaluation, model_path=run / "model.pt", dataset_dir=task(), output_dir=tmp_path / "evaluated")

    alone, by_hand, evaluated = (labels_in(tmp_path / name) for name in ("alone", "typed", "evaluated"))
    assert len(alone) == 5
    assert len(evaluated) == 39
    for name, labels in alone.items():
        assert np.array_equal(labels, by_hand[name])
        assert np.array_equal(labels, evaluated[name])
    assert any(labels.any() for labels in alone.values())
    metrics = json.loads((tmp_path / "evaluated" / "metrics.json").read_text(encoding="utf-8"))
    assert (set(metrics["organs"]), metrics["cases"]["scored"]) == ({"anterior", "posterior"}, 39)
