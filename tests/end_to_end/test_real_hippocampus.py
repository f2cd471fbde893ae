"""A data set as it was published, of other labels, modality and size than the bundle: its weights say all of it again.

Hippocampi in MR, in the layout of the Medical Segmentation Decathlon, by the commands that a user types.
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
LENGTH = {"epochs": 1, "iterations_per_epoch": 200, "batch_size": 4, "num_workers": 0, "progress": False}
# so that so short a training finds anything
RATES = {"learning_rate": 2e-3, "encoder_learning_rate": 1e-3, "class_balance": 1, "random_start::layerscale_init": 1.0}
N_PATIENTS = 25


@pytest.fixture
def task(tmp_path):
    """The first of the 191 patients."""
    if not os.environ.get("MEDDINO_DATA"):
        pytest.skip("set MEDDINO_DATA to the folder with real scans")
    published, folder = Path(os.environ["MEDDINO_DATA"]) / "msd_hippocampus", tmp_path / "Task04_Hippocampus"
    folder.mkdir()
    for name in ("imagesTr", "labelsTr"):
        (folder / name).symlink_to(published / name)
    description = json.loads((published / "dataset.json").read_text(encoding="utf-8"))
    description |= {"training": description["training"][:N_PATIENTS], "numTraining": N_PATIENTS}
    (folder / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
    return folder


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


def test_the_weights_alone_give_what_everything_typed_gives(task, tmp_path):
    plan, run = tmp_path / "plan.json", tmp_path / "run"
    done("meddino_components", "plan", task, "msd", modality="mr", roi_size=64, output=plan)
    data = {"dataset_dir": task, "dataset_layout": "msd", "modality": "mr"}
    names = {"label_names": ["background", "anterior", "posterior"]}
    given = {**data, **names, **NETWORK, **LENGTH, **RATES, "weights": "random", "output_dir": run}
    training = ("monai.bundle", "run", "training", "--config_file", configurations("train", plan))
    done(*training, **given)

    another_fold = typed(*training, **given | {"fold": 1, "resume": True, "epochs": 2})
    assert another_fold.returncode == 2
    assert "was written with fold 0 (this run: 1)" in another_fold.stderr.splitlines()[-1]

    held_out = read_datalist(task, "msd", section="validation", fold=0, modality="mr")
    assert len(held_out) == 5
    scans = tmp_path / "scans"
    scans.mkdir()
    for case in held_out:
        shutil.copy(case["image"], scans)
    done("meddino_components", "segment", scans, tmp_path / "alone", model=run / "model.pt", modality="mr")
    # the same tensors without their record
    torch.save(torch.load(run / "model.pt", weights_only=True), tmp_path / "bare.pt")
    everything = {**names, **NETWORK, "modality": "mr", "model_path": tmp_path / "bare.pt"}
    inference = ("monai.bundle", "run", "--config_file", configurations("inference", plan))
    done(*inference, **everything, dataset_dir=scans, output_dir=tmp_path / "typed")
    evaluation = ("monai.bundle", "run", "--config_file", configurations("evaluate"))
    done(*evaluation, model_path=run / "model.pt", dataset_dir=task, output_dir=tmp_path / "evaluated")

    alone, by_hand, evaluated = (labels_in(tmp_path / name) for name in ("alone", "typed", "evaluated"))
    assert len(alone) == len(evaluated) == 5
    for name, labels in alone.items():
        assert np.array_equal(labels, by_hand[name])
        assert np.array_equal(labels, evaluated[name])
    assert all(labels.any() for labels in alone.values())
    metrics = json.loads((tmp_path / "evaluated" / "metrics.json").read_text(encoding="utf-8"))
    assert (set(metrics["organs"]), metrics["cases"]["scored"]) == ({"anterior", "posterior"}, 5)
