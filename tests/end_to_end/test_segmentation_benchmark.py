"""Segmentation on frozen encoders by its command: planted organs, cases that cannot be read, a kill on the way."""

import csv
import json

import numpy as np
import pytest
from command_lines import BENCHMARK, kill_after_cells, run_bundle
from decoder_benchmark import CONV_2D, CONV_3D, LINEAR, SMALL, msd
from in_process import run_here
from PIL import Image
from volume_files import save_nifti

from meddino_components.embeddings import encoder_pass
from meddino_components.errors import InputError

NAMES = ["encoder", "random weights", "raw pixels"]
DECODERS = ["linear", "conv_3d"]


def segment(output, **changes):
    run_here(["segment", "laptop"], {"output_dir": str(output), **SMALL, **changes}, bundle=BENCHMARK)
    return json.loads((output / "segmentation.json").read_text(encoding="utf-8"))


def input_error(error):
    """Ours, in the chain that MONAI wraps it in."""
    while not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    return str(error)


@pytest.mark.slow
def test_planted_organs_are_found_fold_by_fold(tmp_path, monkeypatch):
    settings = {"dataset_dir": str(msd(tmp_path / "toy", n=4)), "n_folds": 2, "decoders": [LINEAR, CONV_3D]}
    found = segment(tmp_path / "out", **settings)
    rows = {(row["encoder"], row["probe"]): row for row in found["rows"]}
    assert list(rows) == [(name, decoder) for name in NAMES for decoder in DECODERS]
    assert (found["set"], found["units"], found["samples"]) == ("toy, 2 folds", 4, {"train": 2, "test": 4})
    dice = rows["raw pixels", "conv_3d"]["scores"]["Dice"]
    # two cases and seconds to learn from: far from nothing, which gives less than 0.1
    assert 0.5 < dice["value"] < 1
    assert dice["low"] <= dice["value"] <= dice["high"]
    more = rows["raw pixels", "conv_3d"]["more"]
    assert dice["value"] == pytest.approx((more["Dice bright"] + more["Dice dark"]) / 2)
    assert set(rows["encoder", "linear"]["gain_over"]) == {"random weights", "raw pixels"}
    with (tmp_path / "out" / "segmentation_cases.csv").open(encoding="utf-8") as file:
        of_cases = [
            row for row in csv.DictReader(file) if row["encoder"] == "raw pixels" and row["decoder"] == "conv_3d"
        ]
    assert sorted(row["case"] for row in of_cases) == [f"c_{k}" for k in range(4)]
    values = [[float(row[name]) for name in ("bright", "dark")] for row in of_cases]
    assert np.mean(values) == pytest.approx(dice["value"], abs=1e-6)
    for name in ("segmentation.png", "segmentation_loss.png", *(f"predictions_{decoder}.png" for decoder in DECODERS)):
        assert (tmp_path / "out" / name).stat().st_size > 10_000

    # again, and with a fold less: nothing is encoded, nothing is trained
    def fail(*args, **kwargs):
        raise AssertionError("computed again")

    monkeypatch.setattr(encoder_pass, "_encode", fail)
    monkeypatch.setattr("meddino_components.probing.segmentation.cells.train_decoder", fail)
    assert segment(tmp_path / "out", **settings) == found
    assert segment(tmp_path / "out", **settings, folds=[1])["samples"]["test"] == 2
    with pytest.raises(RuntimeError) as error:
        segment(tmp_path / "out", **settings | {"iterations": 31})
    assert "computed again" in str(error.value.__cause__)


def test_a_case_that_cannot_be_read_is_named_counted_and_left_out_for_all(tmp_path):
    root = msd(tmp_path / "toy")
    image, label = (root / kind / f"c_{k}.nii.gz" for kind, k in (("imagesTr", 2), ("labelsTr", 4)))
    for path in (image, label):
        path.write_bytes(path.read_bytes()[:100])
    found = segment(tmp_path / "out", dataset_dir=str(root), n_folds=2, decoders=[LINEAR], iterations=2)
    assert set(found["unreadable_samples"]) == {"c_2", "c_4"}
    assert all(k in reason for k, reason in found["unreadable_samples"].items())
    assert found["samples"]["test"] == 4
    assert "2 samples unreadable and left out" in (tmp_path / "out" / "segmentation.md").read_text(encoding="utf-8")


def test_a_class_that_no_training_case_of_a_fold_shows_is_refused(tmp_path):
    root = msd(tmp_path / "toy", n=4)
    for k in range(4):
        save_nifti(root / "labelsTr" / f"c_{k}.nii.gz", np.full((32, 24 + 2 * k, 6), k == 0, np.uint8), (2, 2, 3))
    with pytest.raises(RuntimeError) as error:
        segment(tmp_path / "out", dataset_dir=str(root), n_folds=2)
    message = input_error(error.value)
    assert "no training case shows" in message
    assert "dark" in message
    assert not (tmp_path / "out" / "segmentation.json").exists()


def test_a_label_without_a_name_is_refused_and_its_case_not_left_out(tmp_path):
    root = msd(tmp_path / "toy", n=4)
    labels = np.zeros((32, 24, 6), np.uint8)
    labels[5:9, 5:9] = 3
    save_nifti(root / "labelsTr" / "c_0.nii.gz", labels, (2, 2, 3))
    with pytest.raises(RuntimeError) as error:
        segment(tmp_path / "out", dataset_dir=str(root), n_folds=2)
    assert "c_0.nii.gz: label 3, but there are names for 0 to 2 only" in input_error(error.value)


def test_a_decoder_that_there_is_not_is_refused_before_anything_is_encoded(tmp_path):
    with pytest.raises(RuntimeError) as error:
        segment(tmp_path / "out", dataset_dir=str(msd(tmp_path / "set")), n_folds=2, decoders=[LINEAR, "conv3d"])
    assert "expected a list of components" in input_error(error.value)
    assert not (tmp_path / "out").exists()


def test_one_patient_on_both_sides_is_refused_or_marked(tmp_path):
    root = msd(tmp_path / "toy", n=2)
    cases = [
        {
            "image": str(root / "imagesTr" / f"c_{k}.nii.gz"),
            "label": str(root / "labelsTr" / f"c_{k}.nii.gz"),
            "case_id": f"c_{k}",
            "patient": "p",
            "modality": "ct",
        }
        for k in range(2)
    ]
    settings = {
        "train_data": cases[:1],
        "test_data": cases[1:],
        "label_names": ["background", "bright", "dark"],
        "decoders": [LINEAR],
        "iterations": 2,
    }
    with pytest.raises(RuntimeError) as error:
        segment(tmp_path / "out", **settings)
    assert "set allow_same_patient to true" in input_error(error.value)
    found = segment(tmp_path / "out", **settings, allow_same_patient=True)
    assert found["within_one_patient"] is True
    assert found["set"] == "held out"
    assert "WITHIN ONE PATIENT" in (tmp_path / "out" / "segmentation.md").read_text(encoding="utf-8")
    dice = found["rows"][0]["scores"]["Dice"]
    assert np.isfinite(dice["value"])
    assert np.isnan([dice["low"], dice["high"]]).all()  # one patient: no interval


@pytest.mark.slow
def test_pictures_with_masks(tmp_path):
    rows = ["image,mask,video"]
    for k in range(8):
        rng = np.random.default_rng(k)
        mask = np.zeros((40, 56), np.uint8)
        row, column = rng.integers(2, 18), rng.integers(2, 30)
        mask[row : row + 18, column : column + 22] = 1
        picture = rng.integers(60, 90, (40, 56, 3)) + mask[..., None] * np.array([120, 0, 0])
        Image.fromarray(picture.astype(np.uint8)).save(tmp_path / f"{k}.png")
        Image.fromarray(mask).save(tmp_path / f"{k}_mask.png")
        rows.append(f"{k}.png,{k}_mask.png,v{k // 2}")
    (tmp_path / "list.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    found = segment(
        tmp_path / "out",
        dataset_dir=str(tmp_path),
        dataset_layout="picture_masks",
        layout_options={"table": "list.csv", "patient_column": "video"},
        label_names=["background", "polyp"],
        n_folds=2,
    )
    rows = {(row["encoder"], row["probe"]): row["scores"]["Dice"]["value"] for row in found["rows"]}
    assert list(rows) == [(name, decoder) for name in NAMES for decoder in ("linear", "conv_2d")]
    assert found["units"] == 4
    assert rows["raw pixels", "conv_2d"] > 0.8


@pytest.mark.slow
def test_a_run_killed_on_its_way_trains_no_finished_decoder_twice(tmp_path, start):
    settings = {
        "dataset_dir": str(msd(tmp_path / "toy", n=4)),
        "n_folds": 2,
        "decoders": [LINEAR, CONV_2D],
        "output_dir": str(tmp_path / "out"),
        **SMALL,
    }
    cells = tmp_path / "out" / "cells"
    process = start(["segment", "laptop"], settings, bundle=BENCHMARK)
    finished = kill_after_cells(process, cells, 5)
    assert 5 <= len(finished) < 12
    run_bundle(["segment", "laptop"], settings, bundle=BENCHMARK)
    assert len(list(cells.glob("*/cell.json"))) == 12
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    whole = tmp_path / "out" / "segmentation.csv"
    again = {**settings, "output_dir": str(tmp_path / "whole")}
    run_bundle(["segment", "laptop"], again, bundle=BENCHMARK)
    assert (tmp_path / "whole" / "segmentation.csv").read_text() == whole.read_text()
