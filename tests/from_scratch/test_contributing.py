"""What CONTRIBUTING.md shows, written as it stands there and tried; its commands are run by the tests of the pages."""

import importlib
import json
import math
import sys

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_data import small_case
from command_lines import BENCHMARK, PRETRAIN, REPOSITORY, losses, read_log
from decoder_benchmark import CONV_2D, SMALL, msd
from in_process import run_here, write_laptop_model
from shown_files import shown_files
from slice_stores import random_slices, write_store
from tiny_settings import TINY_PRETRAINING
from tiny_student_teacher import tiny_batch, tiny_student_teacher
from volume_files import save_nifti

SECTIONS = shown_files(REPOSITORY / "CONTRIBUTING.md")


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes the files of a section into a folder on Python's path, and imports the first."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(section):
        for file in SECTIONS[section]:
            file.write(tmp_path)
        name = SECTIONS[section][0].path.removesuffix(".py")
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    return write


@pytest.mark.parametrize("section", SECTIONS)
def test_at_most_four_files_are_written_by_hand(section):
    # beside what is shown, a layout has a test and a row of a table
    n_files = len(SECTIONS[section]) + 2 * (section == "A data set in a new layout")
    assert n_files <= 4
    assert sum(file.n_lines for file in SECTIONS[section]) <= 45


def test_a_segmentation_loss(written, training_overrides, tmp_path):
    loss = written("A segmentation loss").Tversky(num_classes=2)
    # one pixel of each class, each class with probability one half: 0.5 / (0.5 + 0.3 * 0.5 + 0.7 * 0.5)
    value = loss(torch.zeros(1, 2, 1, 2), torch.tensor([[[[0, 1]]]]))
    assert float(value) == pytest.approx(0.5, abs=1e-4)
    definition = {"_target_": "my_losses.Tversky", "num_classes": "@num_labels"}
    run_here(["train"], {**training_overrides, "epochs": 1, "loss": definition})
    found = losses(tmp_path / "run")
    assert len(found) == 3
    assert all(0.5 < value < 1 for value in found.values())


def test_a_self_distillation_loss(written, tmp_path):
    made = written("A self-distillation loss").Uniformity(weight=0.5)
    batch = tiny_batch(n_images=2)
    outputs = tiny_student_teacher()(batch)
    # of two images on the sphere the logarithm is -2 |a - b|^2 = -4 (1 - cosine)
    cosines = torch.nn.functional.cosine_similarity(outputs.student_cls[:, 0], outputs.student_cls[:, 1], dim=-1)
    assert float(made(outputs, batch)) == pytest.approx(float(-4 * (1 - cosines).mean()), rel=1e-3)
    write_store(tmp_path / "store", [random_slices((64, 64), n=6)])
    settings = {**TINY_PRETRAINING, "store": str(tmp_path / "store"), "output_dir": str(tmp_path / "run")}
    settings |= {"epochs": 1, "iterations_per_epoch": 1, "warmup_iterations": 0, "teacher_temp_warmup": 0}
    settings |= {"freeze_last_layer_iterations": 0, "export_interval": 1}
    more = [{"_target_": "my_terms.Uniformity", "weight": 0.5}]
    run_here(["train"], {**settings, "output_dir": str(tmp_path / "plain")}, bundle=PRETRAIN)
    run_here(["train"], {**settings, "more_losses": more}, bundle=PRETRAIN)
    (plain,), (added,) = read_log(tmp_path / "plain"), read_log(tmp_path / "run")
    assert added["uniformity_loss"] < 0
    assert added["loss"] == pytest.approx(plain["loss"] + 0.5 * added["uniformity_loss"], rel=1e-5)


def test_a_frozen_encoder(written, tmp_path):
    encoder = written("A frozen encoder").moments(patch_size=2)
    _, patches = encoder.encode(torch.tensor([[[[1.0, 1.0], [3.0, 3.0]]]]))
    assert patches[0, 0].tolist() == pytest.approx([2.0, math.sqrt(4 / 3)])
    arrays = {}
    for split, n in (("train", 24), ("val", 8), ("test", 24)):
        labels = np.arange(n) % 2
        images = np.random.default_rng(n).integers(80, 120, (n, 28, 28)) + 60 * labels[:, None, None]
        images[:, 0, :2] = 0, 255  # pictures are scaled to unit deviation each
        arrays |= {f"{split}_images": images.astype(np.uint8), f"{split}_labels": labels[:, None].astype(np.uint8)}
    np.savez_compressed(tmp_path / "set.npz", **arrays)
    settings = {"dataset_dir": str(tmp_path / "set.npz"), "output_dir": str(tmp_path / "out"), "size_px": 32}
    settings |= {"batch_size": 16, "num_workers": 0, "progress": False, "n_resamples": 50, "amp": False}
    run_here(
        ["classify", "laptop"], {**settings, "other_encoders": [{"_target_": "my_encoders.moments"}]}, bundle=BENCHMARK
    )
    rows = json.loads((tmp_path / "out" / "classification.json").read_text(encoding="utf-8"))["rows"]
    found = {row["probe"]: row["scores"]["AUC"]["value"] for row in rows if row["encoder"] == "moments"}
    assert len(found) >= 3
    assert all(0.5 <= value <= 1 for value in found.values())
    assert max(found.values()) > 0.9


def test_a_decoder_of_frozen_maps(written, tmp_path):
    written("A decoder of frozen maps")
    data, output = msd(tmp_path / "set", n=4), tmp_path / "out"
    listed = [CONV_2D, {"_target_": "hidden_layer.HiddenLayer", "width": 32}]
    settings = {**SMALL, "dataset_dir": str(data), "output_dir": str(output), "n_folds": 2, "decoders": listed}
    run_here(["segment", "laptop"], settings, bundle=BENCHMARK)
    rows = json.loads((output / "segmentation.json").read_text(encoding="utf-8"))["rows"]
    found = {row["probe"]: row["scores"]["Dice"]["value"] for row in rows if row["encoder"] == "raw pixels"}
    assert list(found) == ["conv_2d", "hidden_layer"]
    # organs are brighter and darker than the rest: a layer for each patch finds them coarsely; nothing gives below 0.1
    assert 0.3 < found["hidden_layer"] < found["conv_2d"]
    assert (output / "predictions_hidden_layer.png").stat().st_size > 3_000


def test_an_encoder_to_fine_tune(written, training_overrides, phantoms, tmp_path):
    encoder = written("An encoder to fine-tune").ConvolutionalEncoder()
    maps = encoder.get_intermediate_layers(torch.zeros(1, 3, 32, 48), n=[1, 3])
    assert [tuple(one.shape) for one in maps] == [(1, 32, 2, 3)] * 2
    own = {"_target_": "my_network.ConvolutionalEncoder"}
    plain = {key: value for key, value in training_overrides.items() if not key.startswith(("random", "backbone"))}
    run_here(["train"], {**plain, "epochs": 1, "network_def::backbone": own})
    assert len(losses(tmp_path / "run")) == 3
    # the encoder has a learning rate of its own
    line = next(line for line in read_log(tmp_path / "run") if "loss" in line)
    assert len(set(line["learning_rates"])) == 2
    scan = next((phantoms / "imagesVa").glob("*.nii.gz"))
    network = {"_target_": "meddino_components.networks.MedDinoSegmenter", "num_classes": 16, "backbone": own}
    places = {"dataset_dir": str(scan), "output_dir": str(tmp_path / "out"), "modality": "ct", "amp": False}
    run_here(["inference"], {**places, "model_path": str(tmp_path / "run" / "model.pt"), "network_def": network})
    assert nib.load(tmp_path / "out" / scan.name).shape == nib.load(scan).shape


def test_a_picture(written, tmp_path):
    written("A picture")
    image, _ = small_case(0, {0: "background", 1: "liver"}, "ct")
    scan = save_nifti(tmp_path / "scan.nii.gz", image, spacing_mm=(6, 6, 10))
    write_laptop_model(tmp_path / "model.pt")
    settings = {"dataset_dir": str(scan), "model_path": str(tmp_path / "model.pt"), "modality": "ct", "amp": False}
    pictures = [{"_target_": "my_pictures.Front"}]
    run_here(["inference"], {**settings, "output_dir": str(tmp_path / "out"), "pictures": pictures})
    assert (tmp_path / "out" / "scan_front.png").read_bytes().startswith(b"\x89PNG")
    said = json.loads((tmp_path / "out" / "scan.json").read_text(encoding="utf-8"))
    assert "scan_front.png" in json.dumps(said)
