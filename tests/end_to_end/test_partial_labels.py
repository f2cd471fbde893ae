"""Training and evaluation on cases of which some lack classes."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest
from bundle_data import WRITERS
from command_lines import losses, read_log
from in_process import cause, run_here
from tiny_settings import TINY

from meddino_components.checkpoints import read_record
from meddino_components.errors import InputError

NAMES = {0: "background", 1: "liver", 2: "spleen", 3: "stomach"}


@pytest.fixture
def data_set(tmp_path):
    """Five cases; the spleen was annotated in three of them, and nobody annotated some slices of the first."""
    root = WRITERS["msd"](tmp_path / "data", {str(label): name for label, name in NAMES.items()}, "ct", 5)
    content = json.loads((root / "dataset.json").read_text(encoding="utf-8"))
    for number, entry in enumerate(content["training"]):
        image = nib.load(root / entry["label"])
        labels = np.asarray(image.dataobj).copy()
        if number % 2:
            entry["annotated"] = ["liver", "stomach"]
            labels[labels == 2] = 0
        if number == 0:
            entry["label_values"] = {"9": 255}
            labels[..., 2:] = 9
        nib.save(nib.Nifti1Image(labels, image.affine), root / entry["label"])
    (root / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    return root


@pytest.fixture
def settings(data_set, tmp_path):
    return {**TINY, "dataset_dir": str(data_set), "cache_dir": str(tmp_path / "cache"), "foreground_fraction": 0.7}


def train(settings, output, **more):
    paths = {"output_dir": str(output), "model_path": str(output / "model.pt")}
    run_here(["train"], {**settings, **paths, **more}, run_id="training")
    return losses(output)


def test_training_and_evaluation_leave_out_what_was_not_annotated(data_set, settings, tmp_path):
    found = train(settings, tmp_path / "partial", fold=1)
    record = read_record(tmp_path / "partial" / "model.pt")
    n_training = record.data["training"]["n_cases"]
    annotated = record.data["annotated"]
    assert annotated["liver"] == annotated["stomach"] == n_training == 4
    assert annotated["spleen"] in (2, 3)
    (validation,) = [line["validation"] for line in read_log(tmp_path / "partial") if "validation" in line]
    assert 0 <= validation["val_mean_dice"] <= 1
    # the same labels with everything annotated are another task
    content = json.loads((data_set / "dataset.json").read_text(encoding="utf-8"))
    for entry in content["training"]:
        entry.pop("annotated", None)
    (data_set / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    other = train(settings, tmp_path / "whole", fold=1)
    assert found != other
    assert "annotated" not in read_record(tmp_path / "whole" / "model.pt").data


def test_the_report_counts_the_cases_that_were_annotated(settings, tmp_path):
    train(settings, tmp_path / "run", epochs=1, iterations_per_epoch=1)
    out = tmp_path / "evaluation"
    evaluation = {"model_path": str(tmp_path / "run" / "model.pt"), "output_dir": str(out), "amp": False}
    evaluation |= {"dataset_dir": settings["dataset_dir"], "section": "all_labelled"}
    run_here(["evaluate"], {**evaluation, "metrics": [{"_target_": "meddino_components.evaluation.Dice"}]})
    with (out / "metrics.csv").open(encoding="utf-8") as file:
        rows = [(row["case"], row["organ"]) for row in csv.DictReader(file)]
    lacking = [f"case_{number:04d}" for number in (2, 4)]
    assert sorted({case for case, organ in rows if organ == "spleen"} | set(lacking)) == [
        f"case_{number:04d}" for number in range(1, 6)
    ]
    organs = json.loads((out / "metrics.json").read_text(encoding="utf-8"))["organs"]
    assert [organs[name]["n_annotated"] for name in ("liver", "spleen", "stomach")] == [5, 3, 5]


def test_a_loss_that_does_not_know_partial_labels_is_refused_before_training(settings, tmp_path):
    loss = {"_target_": "monai.losses.DiceCELoss", "to_onehot_y": True, "softmax": True}
    with pytest.raises(RuntimeError, match="segmentation_loss") as error:
        train(settings, tmp_path / "run", loss=loss, class_balance=0.0)
    assert isinstance(cause(error.value), InputError)
    assert "DiceCELoss does not take 'annotated'" in str(cause(error.value))


def test_data_sets_of_two_layouts_train_together(tmp_path):
    brain = WRITERS["msd"](
        tmp_path / "Task04_Hippocampus", {"0": "background", "1": "Anterior", "2": "Posterior"}, "mr", 4
    )
    trunk = WRITERS["nnunet_raw"](tmp_path / "Dataset002_Trunk", {0: "background", 1: "liver", 2: "spleen"}, "ct", 4)
    data_sets = [
        {"dataset_dir": brain.name, "modality": "mr", "names": {"Anterior": "hippocampus", "Posterior": "hippocampus"}},
        {"dataset_dir": str(trunk)},
    ]
    joined = tmp_path / "joined.json"
    joined.write_text(json.dumps({"data_sets": data_sets}), encoding="utf-8")
    settings = {**TINY, "dataset_dir": str(joined), "cache_dir": str(tmp_path / "cache"), "foreground_fraction": 0.7}
    found = train(settings, tmp_path / "run", n_folds=2)
    assert len(found) == 6
    assert np.isfinite(list(found.values())).all()
    record = read_record(tmp_path / "run" / "model.pt")
    assert record.labels == {0: "background", 1: "hippocampus", 2: "liver", 3: "spleen"}
    assert record.data["layout"] == "joined"
    of_brains = record.data["annotated"]["hippocampus"]
    assert record.data["annotated"] == {"hippocampus": of_brains, "liver": 4 - of_brains, "spleen": 4 - of_brains}
    assert record.modality is None
    cached = [np.unique(np.load(path)) for path in (tmp_path / "cache").rglob("label.npy")]
    assert sorted(map(tuple, cached)) == [(0, 1)] * of_brains + [(0, 2, 3)] * (4 - of_brains)
