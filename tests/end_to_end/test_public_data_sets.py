"""Bundles for public data sets train on a small made set in the layout of the download, and refuse wrong labels."""

import csv

import nibabel as nib
import numpy as np
import pytest
from bundle_configs import SEGMENTATION, label_names, read_json
from bundle_data import write_data_of
from command_lines import losses
from in_process import cause, run_here
from tiny_settings import TINY

from meddino_components.checkpoints import read_record
from meddino_components.errors import InputError

DOWNLOADED = {"kits23", "lits", "btcv"}
BUNDLES = [bundle for bundle in SEGMENTATION if read_json(bundle, "train")["dataset_layout"] in DOWNLOADED]
of_each_bundle = pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)


def settings_of(data, output):
    paths = {"dataset_dir": str(data), "output_dir": str(output), "model_path": str(output / "model.pt")}
    return {**TINY, **paths, "cache_dir": str(output / "cache"), "epochs": 1, "validation_interval": 1}


@of_each_bundle
def test_trains_and_evaluates_as_it_is(bundle, tmp_path):
    data, output = write_data_of(bundle, tmp_path / "data"), tmp_path / "run"
    run_here(["train"], settings_of(data, output), bundle=bundle, run_id="training")
    assert all(np.isfinite(loss) for loss in losses(output).values())
    record = read_record(output / "model.pt")
    assert (dict(record.labels), record.modality) == (label_names(bundle), "ct")
    assert record.data["layout"] == read_json(bundle, "train")["dataset_layout"]
    settings = {
        "dataset_dir": str(data),
        "model_path": str(output / "model.pt"),
        "output_dir": str(tmp_path / "scores"),
    }
    run_here(["evaluate"], {**settings, "amp": False}, bundle=bundle)
    with (tmp_path / "scores" / "metrics.csv").open(encoding="utf-8") as file:
        scored = [row["organ"] for row in csv.DictReader(file)]
    expected = list(label_names(bundle).values())[1:] if record.regions is None else record.regions["names"]
    assert scored == list(expected)


@of_each_bundle
def test_a_label_that_the_data_set_does_not_have(bundle, tmp_path):
    data = write_data_of(bundle, tmp_path / "data")
    path = next(path for path in sorted(data.rglob("*.nii*")) if path.name.startswith(("segmentation", "label")))
    image = nib.load(path)
    voxels = np.asarray(image.dataobj).copy()
    voxels[20, 20, 1] = len(label_names(bundle))
    nib.save(nib.Nifti1Image(voxels, image.affine), path)
    with pytest.raises(Exception) as error:
        run_here(["train"], {**settings_of(data, tmp_path / "run"), "n_folds": 5}, bundle=bundle, run_id="training")
    found = cause(error.value)
    assert isinstance(found, InputError)
    assert f"{path}: " in str(found)
    assert str(len(label_names(bundle))) in str(found)
