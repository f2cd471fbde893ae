"""Two channels from the data set as published to labels: CT with PET, and 4D files of T2 with ADC."""

import json

import nibabel as nib
import numpy as np
import pytest
from channel_sets import AFFINE, SHAPE, ct_pet_set, prostate_set
from in_process import command, run_here
from tiny_settings import TINY

from meddino_components.checkpoints import read_record
from meddino_components.data import plan
from meddino_components.errors import input_error

SETS = {"CT, PET": (ct_pet_set, {"CT": "ct", "PET": "pet"}), "T2, ADC": (prostate_set, "mr")}


@pytest.fixture(scope="module", params=SETS)
def run(request, tmp_path_factory):
    write, modality = SETS[request.param]
    root, output = write(tmp_path_factory.mktemp("data")), tmp_path_factory.mktemp("run")
    channels = request.param.split(", ")
    settings = {**TINY, "channel_names": channels, "device": "cpu", "dataset_dir": str(root)}
    settings |= {"output_dir": str(output), "model_path": str(output / "model.pt"), "pixdim": [6.0, 6.0]}
    run_here(["train"], settings)
    return root, output / "model.pt", channels, modality


def test_the_record_says_what_each_channel_is(run):
    _, model, channels, modality = run
    record = read_record(model)
    assert (list(record.channels), record.modality) == (channels, modality)


def test_the_unlabelled_cases_are_segmented_by_the_weights_alone(run, tmp_path):
    root, model, channels, _ = run
    assert command("segment", root / "imagesTs", tmp_path / "out", "--model", model) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [(case["case_id"], case["status"]) for case in summary["cases"]] in (
        [("p5", "ok")],
        [("prostate_05", "ok")],
    )
    (labels,) = (tmp_path / "out").glob("*.nii.gz")
    np.testing.assert_array_equal(nib.load(labels).affine, AFFINE)
    assert nib.load(labels).shape == SHAPE
    if channels == ["CT", "PET"]:
        other = {"dataset_dir": str(root / "imagesTs"), "output_dir": str(tmp_path / "x"), "model_path": str(model)}
        with pytest.raises(Exception) as refused:
            run_here(["inference"], {**other, "modality": {"CT": "ct", "PET": "zscore"}})
        assert "modality is {'CT': 'ct', 'PET': 'pet'} in the record" in str(input_error(refused.value))


def test_the_held_out_cases_are_scored(run, tmp_path):
    root, model, *_ = run
    settings = {"dataset_dir": str(root), "output_dir": str(tmp_path / "out"), "model_path": str(model)}
    run_here(["evaluate"], {**settings, "device": "cpu"})
    assert len(list((tmp_path / "out").glob("*.nii.gz"))) == 1


def test_the_plan_has_the_fingerprint_of_the_ct_channel(tmp_path):
    planned = plan(ct_pet_set(tmp_path / "ct"), roi_size=64)
    assert planned["fingerprint"]["mean"] == pytest.approx(40, abs=3)
    assert planned["fingerprint"]["std"] == pytest.approx(20, abs=3)
    assert plan(prostate_set(tmp_path / "mr"), roi_size=64)["fingerprint"] is None
