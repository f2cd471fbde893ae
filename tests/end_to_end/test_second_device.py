"""Runs on a device other than the host's, found without one: see `second_device`."""

import json

import pytest
import torch
from brats_volumes import write_brats
from command_lines import BENCHMARK, BRATS, PRETRAIN, read_log
from decoder_benchmark import SMALL, msd
from in_process import run_here
from second_device import SECOND, SecondDevice
from tiny_settings import TINY

from meddino_components.checkpoints import sha256_of, write_weights
from meddino_components.data import label_names, read_datalist
from meddino_components.networks import MedDinoSegmenter, vit_backbone

SHORT = {"epochs": 1, "iterations_per_epoch": 2, "validation_interval": 1, "device": SECOND}


def dice_of(output):
    (validation,) = [line["validation"] for line in read_log(output) if "validation" in line]
    return validation["val_mean_dice"]


def test_mixing_devices_is_an_error():
    with SecondDevice() as second:
        there, here = torch.zeros(3, device=SECOND), torch.ones(3, dtype=torch.bool)
        assert (there + 1) in second
        with pytest.raises(RuntimeError, match="same device"):
            torch.masked_select(there, here)
        assert torch.masked_select(there.cpu(), here).tolist() == [0, 0, 0]
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()


def test_an_epoch_of_fine_tuning_with_its_validation_and_the_evaluation(training_overrides, tmp_path):
    output = tmp_path / "run"
    with SecondDevice():
        run_here(["train"], {**training_overrides, **SHORT, "class_balance": 0.5})
        kept = {key: TINY[key] for key in ("roi_size", "pixdim", "amp")}
        kept |= {"dataset_dir": training_overrides["dataset_dir"], "model_path": str(output / "model.pt")}
        run_here(["evaluate"], {**kept, "output_dir": str(tmp_path / "evaluation"), "device": SECOND})
    assert 0 <= dice_of(output) <= 1
    assert json.loads((tmp_path / "evaluation" / "summary.json").read_text(encoding="utf-8"))["failed"] == 0


def test_regions(tmp_path):
    brains, output = write_brats(tmp_path / "brains"), tmp_path / "run"
    places = {"dataset_dir": str(brains), "output_dir": str(output), "model_path": str(output / "model.pt")}
    with SecondDevice():
        run_here(["train"], {**TINY, **places, **SHORT, "pixdim": [4.0, 4.0]}, bundle=BRATS)
    assert 0 <= dice_of(output) <= 1


def test_training_from_annotations(phantoms, tmp_path):
    """As MONAI Label starts it: cases without an id, of which some validate."""
    cases = [
        {key: case[key] for key in ("image", "label", "modality")}
        for case in read_datalist(phantoms, "amos", section="training")
    ]
    torch.manual_seed(0)
    network = MedDinoSegmenter(
        backbone=vit_backbone("vit_tiny", qkv_bias=False), num_classes=16, interaction_indices=[2, 5, 8, 11]
    )
    model = tmp_path / "bundle" / "models" / "model.pt"
    model.parent.mkdir(parents=True)
    before = write_weights(network.state_dict(), model)
    labels = {"train::dataset::data": cases[:2], "validate::dataset::data": cases[2:3]}
    places = {"bundle_root": str(tmp_path / "bundle"), "dataset_dir": str(phantoms)}
    with SecondDevice():
        run_here(["train"], {**TINY, **places, **SHORT, **labels})
    assert sha256_of(model) != before
    assert 0 <= dice_of(tmp_path / "bundle" / "output" / "monailabel") <= 1


def test_pretraining_with_a_gram_teacher_and_its_feature_evaluation(pretraining_overrides, phantoms, tmp_path):
    judged = {
        "reference_data": read_datalist(phantoms, "amos", section="training")[:2],
        "label_names": list(label_names(phantoms, "amos").values()),
        "reference_px": 128,
        "slab_roles": ["train", "test"],
        "slab_gap": 1,
        "reference_unit_slices": 2,
    }
    second = {
        **pretraining_overrides,
        "output_dir": str(tmp_path / "second"),
        "previous_checkpoint": str(tmp_path / "run" / "checkpoint.pt"),
        "gram_weights": "checkpoint",
        "gram_teacher_crops_size": 128,
        "render_on_device": True,
        **judged,
    }
    del second["weights"]
    with SecondDevice():
        run_here(["train"], {**pretraining_overrides, "epochs": 1, "device": SECOND}, bundle=PRETRAIN)
        run_here(["stage2_gram"], {**second, "epochs": 1, "device": SECOND}, bundle=PRETRAIN)
    assert all(line["gram_loss"] > 0 for line in read_log(tmp_path / "second"))
    scores = (tmp_path / "second" / "feature_scores.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(scores) == 2  # before the first step and after the epoch


def test_decoders_of_frozen_maps(tmp_path):
    settings = {"dataset_dir": str(msd(tmp_path / "toy", n=4)), "n_folds": 2, "folds": [0], "iterations": 5}
    settings |= {"output_dir": str(tmp_path / "out"), "device": SECOND}
    with SecondDevice():
        run_here(["segment", "laptop"], {**SMALL, **settings}, bundle=BENCHMARK)
    assert (tmp_path / "out" / "segmentation.json").is_file()
