"""Trained with other settings than the bundle's: afterwards the weights alone are enough, and nothing else passes."""

import json

import nibabel as nib
import numpy as np
import pytest
import torch
from brats_volumes import write_brats
from command_lines import AMOS, BRATS
from in_process import command, run_here, untouched_process
from tiny_settings import NETWORK, TINY

from meddino_components.checkpoints import read_record, sha256_of, write_weights
from meddino_components.errors import input_error
from meddino_components.export import export

FINGERPRINT = {"percentile_00_5": -300, "percentile_99_5": 300, "mean": 60, "std": 70}
LABELS = [f"organ {number}" if number else "background" for number in range(16)]
PLAN = {"pixdim": [5.0, 5.0], "fingerprint": FINGERPRINT, "label_names": LABELS, "interaction_indices": [3, 11]}
# so that the blocks change what the network says, after a few steps
LARGE_SCALE = {"random_start::layerscale_init": 1.0}
PLAN |= {**NETWORK, "roi_size": TINY["roi_size"]}


@pytest.fixture(scope="module")
def data(phantoms, tmp_path_factory):
    """Phantoms whose labels are called otherwise."""
    root = tmp_path_factory.mktemp("data")
    for folder in phantoms.glob("*Tr"):
        (root / folder.name).symlink_to(folder)
    content = json.loads((phantoms / "dataset.json").read_text(encoding="utf-8"))
    content = {"training": content["training"], "labels": dict(enumerate(LABELS))}
    (root / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """Of other labels, spacing, intensities and backbone than the bundle's, on fold 1; with larger weights."""
    output = tmp_path_factory.mktemp("trained")
    settings = {**TINY, **PLAN, **LARGE_SCALE, "modality": "ct", "fold": 1, "licences": ["CC-BY-4.0"]}
    del settings["label_names"]
    # as YAML and command lines give them
    settings |= {"fold": "1", "roi_size": 64, "learning_rate": "1e-4", "device": "cpu"}
    settings |= {"dataset_dir": str(data), "output_dir": str(output), "model_path": str(output / "model.pt")}
    run_here(["train"], settings)
    return output / "model.pt"


@pytest.fixture(scope="module")
def scan(phantoms):
    return sorted((phantoms / "imagesTr").glob("*.nii.gz"))[0]


def segmented(scan, output, *arguments):
    assert command("segment", scan, output, "--modality", "ct", *arguments) == 0
    report = json.loads(next(output.glob("amos*.json")).read_text(encoding="utf-8"))
    return np.asarray(nib.load(output / scan.name).dataobj), report


def error_of(configs, settings, bundle=AMOS):
    with pytest.raises(Exception) as error:
        run_here(configs, settings, bundle=bundle)
    return str(input_error(error.value))


def test_the_record_holds_what_the_run_had(trained):
    record = read_record(trained)
    assert (record.bundle, record.modality, record.licences) == ("meddinov3_seg_amos", "ct", ("CC-BY-4.0",))
    assert (record.data["fold"], record.data["training"]["n_cases"]) == (1, 4)
    assert record.metrics["epoch"] == 2
    assert set(record.metrics) == {"kept", "val_mean_dice", "epoch"}
    assert record.plan["pixdim"] == [5.0, 5.0]
    assert (record.plan["roi_size"], record.data["layout"], record.data["split"]) == ([64, 64], "amos", None)
    checkpoint = read_record(trained.with_name("checkpoint.pt"))
    assert checkpoint.data == record.data
    assert isinstance(torch.load(trained, weights_only=True)["decoder.head.bias"], torch.Tensor)


def test_segment_needs_the_weights_alone(trained, scan, tmp_path):
    found, report = segmented(scan, tmp_path / "alone", "--model", trained)
    # the same file without its record, and everything typed
    state = torch.load(trained, weights_only=True)
    write_weights(state, tmp_path / "bare.pt")
    typed = {key: value for key, value in PLAN.items() if key not in NETWORK}
    typed |= {"dataset_dir": str(scan), "model_path": str(tmp_path / "bare.pt"), "modality": "ct", "backbone": None}
    run_here(["inference"], {**typed, "output_dir": str(tmp_path / "typed"), "overlay": False})
    np.testing.assert_array_equal(found, np.asarray(nib.load(tmp_path / "typed" / scan.name).dataobj))
    assert len(np.unique(found)) > 1
    assert list(report["organs"]) == LABELS[1:]
    assert report["model_sha256"] == sha256_of(trained)
    assert report["record_id"] == read_record(trained).id


def test_other_settings_are_refused_before_anything_is_written(trained, scan, tmp_path):
    settings = {"dataset_dir": str(scan), "output_dir": str(tmp_path / "out"), "model_path": str(trained)}
    said = error_of(
        ["inference"], {**settings, "modality": "ct", "pixdim": [2.0, 2.0], "fingerprint": {**FINGERPRINT, "std": 1}}
    )
    assert "pixdim is [5.0, 5.0] in the record, but set to [2.0, 2.0]; fingerprint is" in said
    said = error_of(["inference", "laptop"], {**settings, "modality": "ct"})
    assert "roi_size is [64, 64] in the record, but set to [128, 128]" in said
    assert "backbone is 64 wide, 12 blocks in the record, but set to vit_mini" in said
    assert "modality is ct in the record, but set to mr" in error_of(["inference"], {**settings, "modality": "mr"})
    assert command("segment", scan, tmp_path / "out", "--model", trained, "--bundle", BRATS) == 2
    assert not (tmp_path / "out").exists()


def test_dicom_codes_are_those_of_the_weights_labels(trained, scan, tmp_path):
    """Label 1 was trained as another organ than the bundle's spleen: no code for a spleen lies on it."""
    pytest.importorskip("highdicom")
    settings = {"dataset_dir": str(scan), "output_dir": str(tmp_path / "out"), "model_path": str(trained)}
    said = error_of(["inference"], {**settings, "modality": "ct", "dicom_seg": True})
    assert "label 1 'organ 1' has no code for DICOM SEG" in said


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["pt2", "onnx"])
def test_an_exported_file_knows_as_much(trained, scan, tmp_path, suffix):
    if suffix == "onnx":
        pytest.importorskip("onnxruntime")
    exported = tmp_path / f"model.{suffix}"
    with untouched_process():
        export(str(exported), model=str(trained))
    record = read_record(exported)
    assert (record.labels, record.plan) == (read_record(trained).labels, read_record(trained).plan)
    assert record.export["weights_sha256"] == sha256_of(trained)
    expected, _ = segmented(scan, tmp_path / "original", "--model", trained)
    stated = {"model_sha256": sha256_of(exported)} if suffix == "pt2" else {}
    typed = [word for key, value in stated.items() for word in (f"--{key}", value)]
    found, report = segmented(scan, tmp_path / "exported", "--model", exported, *typed)
    assert np.mean(found == expected) > 0.98
    assert list(report["organs"]) == LABELS[1:]
    settings = {"dataset_dir": str(scan), "output_dir": str(tmp_path / "out"), "model_path": str(exported)}
    settings |= {**stated, "modality": "ct", "pixdim": [0.488, 0.488]}
    said = error_of(["inference", "inference_exported"], settings)
    assert "pixdim is [5.0, 5.0] in the record, but set to [0.488, 0.488]" in said


def test_names_that_contradict_the_data_set_are_refused_with_both(trained, data, phantoms, tmp_path):
    settings = {"dataset_dir": str(phantoms), "modality": "ct", "output_dir": str(tmp_path / "out")}
    said = error_of(["train"], {**TINY, **PLAN, **settings})
    assert said.startswith("label_names and dataset.json have different label names: 0 background, 1 organ 1,")
    assert "1 spleen, 2 right kidney" in said
    said = error_of(["evaluate"], {**settings, "model_path": str(trained)})
    assert said.startswith("the weights and dataset.json have different label names: 0 background, 1 organ 1,")
    # without a word of them training takes those of the data set
    assert read_record(trained).labels == dict(enumerate(LABELS))


def test_evaluate_takes_the_fold_of_the_weights_and_refuses_another(trained, data, tmp_path):
    settings = {"dataset_dir": str(data), "model_path": str(trained), "modality": "ct", "overlay": False}
    run_here(["evaluate"], {**settings, "output_dir": str(tmp_path / "out")})
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["model_sha256"] == sha256_of(trained)
    assert metrics["record_id"] == read_record(trained).id
    assert metrics["cases"]["scored"] == 1
    assert {"organ 1", "organ 15"} < set(json.dumps(metrics).split('"'))
    said = error_of(["evaluate"], {**settings, "output_dir": str(tmp_path / "other"), "fold": 0})
    assert "1 of 1 cases of section validation were in the network's training" in said
    assert "fold 1 of 5" in said


def test_a_network_of_brats2023_writes_three(tmp_path):
    brains = write_brats(tmp_path / "brains", enhancing=3)
    output = tmp_path / "run"
    settings = {**TINY, "dataset_dir": str(brains), "output_dir": str(output), "model_path": str(output / "model.pt")}
    settings |= {**LARGE_SCALE, "pixdim": [4.0, 4.0], "label_convention": "brats2023", "epochs": 1}
    run_here(["train"], {**settings, "validation_interval": 1}, bundle=BRATS)
    record = read_record(output / "model.pt")
    # the innermost region everywhere: what is written there is its label
    state = torch.load(output / "model.pt", weights_only=True)
    state["decoder.head.bias"] = torch.full((3,), 100.0)
    write_weights(state, output / "model.pt", record=record)
    case = sorted(path for path in brains.iterdir() if path.is_dir())[0]
    assert command("segment", case, tmp_path / "out", "--model", output / "model.pt") == 0
    (labels,) = (tmp_path / "out").glob("*.nii.gz")
    assert set(np.unique(np.asarray(nib.load(labels).dataobj))) == {3}
