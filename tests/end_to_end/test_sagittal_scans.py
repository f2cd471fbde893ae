"""Scans of sagittal slices: planned, trained on, segmented by the weights alone."""

import json

import nibabel as nib
import numpy as np
import pytest
import torch
from in_process import command, run_here
from tiny_settings import TINY

from meddino_components.checkpoints import read_record, write_weights
from meddino_components.data import plan
from meddino_components.errors import input_error

NAMES = ["background", "right", "left"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Five MR scans of 10 sagittal slices of 48 x 40 pixels, stored in several orientations."""
    root = tmp_path_factory.mktemp("sagittal")
    rng = np.random.default_rng(0)
    entries = []
    for number, stored in enumerate(("RAS", "PIR", "LPS", "SLA", "AIL")):
        label = np.zeros((10, 40, 48), np.uint8)
        label[6:9, 10:25, 12:36], label[1:4, 18:33, 12:36] = 1, 2
        image = (100 * (label > 0) + rng.normal(40, 10, label.shape)).astype(np.float32)
        change = nib.orientations.ornt_transform(
            nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(stored)
        )
        entry = {}
        for key, voxels in (("image", image), ("label", label)):
            (root / f"{key}sTr").mkdir(exist_ok=True)
            entry[key] = f"{key}sTr/case{number}.nii.gz"
            nib.save(nib.Nifti1Image(voxels, np.diag([5.0, 1.5, 1.5, 1.0])).as_reoriented(change), root / entry[key])
        entries.append(entry)
    content = {"training": entries, "labels": dict(enumerate(NAMES)), "modality": {"0": "MRI"}}
    (root / "dataset.json").write_text(json.dumps(content))
    return root


@pytest.fixture(scope="module")
def planned(data):
    return plan(data, roi_size=64, modality="mr")


@pytest.fixture(scope="module")
def trained(data, planned, tmp_path_factory):
    output = tmp_path_factory.mktemp("run")
    settings = {**TINY, **planned, "random_start::layerscale_init": 1.0, "modality": "mr", "device": "cpu"}
    settings |= {"dataset_dir": str(data), "output_dir": str(output), "model_path": str(output / "model.pt")}
    run_here(["train"], settings)
    return output / "model.pt"


@pytest.fixture(scope="module")
def typed(trained, planned):
    """All that the record says, for the same weights without it."""
    write_weights(torch.load(trained, weights_only=True), trained.with_name("bare.pt"))
    settings = {"backbone": None, "label_names": NAMES, "modality": "mr", "overlay": False, **planned}
    return {**settings, "model_path": str(trained.with_name("bare.pt"))}


def test_the_record_says_how_slices_lie(trained, planned):
    assert (planned["axcodes"], planned["fingerprint"]) == ("IPL", None)
    # 48 rows downwards and 40 columns to the back
    assert planned["pixdim"] == pytest.approx([1.5 * 48 / 64, 1.5 * 40 / 64])
    assert read_record(trained).plan["axcodes"] == "IPL"
    assert read_record(trained.with_name("checkpoint.pt")).plan["axcodes"] == "IPL"


def test_the_weights_alone_are_enough(data, trained, typed, tmp_path):
    scan = data / "imagesTr" / "case3.nii.gz"
    assert command("segment", scan, tmp_path / "alone", "--model", trained, "--modality", "mr") == 0
    found = nib.load(tmp_path / "alone" / scan.name)
    np.testing.assert_array_equal(found.affine, nib.load(scan).affine)
    labels = {}
    for axcodes in ("IPL", "PLS"):
        settings = {**typed, "axcodes": axcodes, "dataset_dir": str(scan), "output_dir": str(tmp_path / axcodes)}
        run_here(["inference"], settings)
        labels[axcodes] = np.asarray(nib.load(tmp_path / axcodes / scan.name).dataobj)
    assert len(np.unique(labels["IPL"])) > 1
    np.testing.assert_array_equal(np.asarray(found.dataobj), labels["IPL"])
    assert (labels["IPL"] != labels["PLS"]).mean() > 0.001


@pytest.mark.parametrize("axcodes", ["PLS", "ilp"])
def test_other_slices_are_refused_with_both_values(data, trained, tmp_path, axcodes):
    settings = {"dataset_dir": str(data / "imagesTr"), "output_dir": str(tmp_path / "out"), "modality": "mr"}
    with pytest.raises(Exception) as error:
        run_here(["inference"], {**settings, "model_path": str(trained), "axcodes": axcodes})
    said = str(input_error(error.value))
    assert f"axcodes is IPL in the record, but set to {axcodes.upper()}" in said
    assert "\n" not in said
    assert not (tmp_path / "out").exists()


def test_evaluation_is_of_the_same_slices(data, trained, tmp_path):
    settings = {"dataset_dir": str(data), "output_dir": str(tmp_path / "out"), "model_path": str(trained)}
    run_here(["evaluate"], settings)
    document = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert document["settings"]["axcodes"] == "IPL"
    assert document["cases"]["scored"] == len(list((tmp_path / "out" / "comparisons").glob("*.png"))) > 0


@pytest.mark.slow
def test_an_exported_file_of_weights_without_a_record_knows_it(data, typed, tmp_path):
    from in_process import untouched_process

    from meddino_components.export import export

    settings = {key: typed[key] for key in ("backbone", "label_names", "axcodes", "roi_size", "pixdim")}
    with untouched_process():
        export(str(tmp_path / "model.pt2"), model=typed["model_path"], **settings)
    record = read_record(tmp_path / "model.pt2")
    assert record.plan["axcodes"] == record.export["input"]["axcodes"] == "IPL"
