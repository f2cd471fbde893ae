"""Several networks segment and are evaluated together, as users type it."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from in_process import command, run_here
from random_models import write_random_model

from meddino_components.checkpoints import sha256_of

NETWORK = {"backbone": "vit_mini", "random_start::layerscale_init": 1.0}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two networks of different depth, window and spacing."""
    folder = tmp_path_factory.mktemp("models")
    write_random_model(folder / "a.pt", **NETWORK, roi_size=[64, 64], pixdim=[6.0, 6.0])
    write_random_model(folder / "b.pt", **{**NETWORK, "backbone": "vit_tiny"}, roi_size=[96, 64], pixdim=[8.0, 7.0])
    return [str(folder / "a.pt"), str(folder / "b.pt")]


def labels_of(path):
    return np.asarray(nib.load(path).dataobj)


def test_segmenting_with_one_two_and_copies(phantoms, models, tmp_path):
    scan = sorted((phantoms / "imagesTr").glob("*.nii.gz"))[0]

    def labels(name, *paths):
        model = paths[0] if len(paths) == 1 else repr(list(paths))
        assert command("segment", scan, tmp_path / name, "--modality", "ct", "--model", model) == 0
        return labels_of(tmp_path / name / scan.name)

    alone = labels("alone", models[0])
    assert np.array_equal(labels("list of one", repr([models[0]])), alone)
    assert np.array_equal(labels("copies", models[0], models[0]), alone)
    both = labels("both", *models)
    assert np.array_equal(labels("swapped", *reversed(models)), both)
    assert not np.array_equal(both, alone)
    report = json.loads((tmp_path / "both" / f"{scan.name.removesuffix('.nii.gz')}.json").read_text(encoding="utf-8"))
    assert {one["model"]: one["model_sha256"] for one in report["members"]} == {
        Path(path).name: sha256_of(path) for path in models
    }
    assert [one["roi_size"] for one in report["members"]] == report["settings"]["roi_size"]
    assert report["model_sha256"] not in map(sha256_of, models)


def test_evaluating_names_all_networks(phantoms, models, tmp_path):
    settings = {"dataset_dir": str(phantoms), "model_path": models, "modality": "ct"}
    run_here(["evaluate"], {**settings, "output_dir": str(tmp_path / "out"), "overlay": False})
    document = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert {one["model"] for one in document["members"]} == {"a.pt", "b.pt"}
    assert document["settings"]["network"].startswith("mean of 2 networks; ")
    assert document["cases"]["scored"] == 1


def test_exported_files_and_one_sha256_are_refused_for_several(models, tmp_path, capsys):
    several = repr([*models, "network.onnx"])
    assert command("segment", "scan.nii.gz", tmp_path / "out", "--model", several) == 2
    assert "network.onnx: is an exported file, but --model lists 3 networks" in capsys.readouterr().err
    typed = ["--model", repr(models), "--model_sha256", "0" * 64]
    assert command("segment", "scan.nii.gz", tmp_path / "out", *typed) == 2
    assert "model_sha256 is set, but --model lists 2 networks" in capsys.readouterr().err
