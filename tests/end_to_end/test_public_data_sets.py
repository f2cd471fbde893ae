"""Bundles for public data sets train on a small made set in the layout of the download, and refuse wrong labels."""

import csv

import nibabel as nib
import numpy as np
import pytest
from bundle_configs import SEGMENTATION, label_names, read_json
from bundle_data import WRITERS, nnunet_regions, write_data_of
from command_lines import losses
from in_process import cause, command, run_here
from tiny_settings import TINY

from meddino_components.checkpoints import read_record
from meddino_components.data.cases.openkbp import OPENKBP_LABELS
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


def test_regions_that_a_data_set_of_nnunet_defines(tmp_path):
    """Trained, evaluated and segmented; the weights alone say what the regions are."""
    bundle = next(bundle for bundle in BUNDLES if "kits23" in bundle.name)
    data, output = nnunet_regions(tmp_path / "data"), tmp_path / "run"
    settings = {**settings_of(data, output), "dataset_layout": "nnunet_raw", "label_convention": "data_set"}
    run_here(["train"], settings, bundle=bundle, run_id="training")
    record = read_record(output / "model.pt")
    assert (record.regions["names"], record.regions["members"]) == (["whole", "core"], [[1, 2], [2]])
    model, scores = str(output / "model.pt"), tmp_path / "scores"
    settings = {"dataset_dir": str(data), "model_path": model, "output_dir": str(scores), "amp": False}
    run_here(["evaluate"], settings, bundle=bundle)
    with (scores / "metrics.csv").open(encoding="utf-8") as file:
        assert [row["organ"] for row in csv.DictReader(file)] == ["whole", "core"]
    scan = data / "imagesTr" / "case_0001_0000.nii.gz"
    assert command("segment", scan, tmp_path / "out", "--modality", "ct", "--model", model) == 0
    (path,) = (tmp_path / "out").glob("*.nii.gz")
    assert set(np.unique(nib.load(path).dataobj)) <= {0, 1, 2}


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        ("totalsegmentator", {0: "background", 1: "liver", 2: "spleen", 3: "vertebrae_T12"}),
        ("openkbp", OPENKBP_LABELS),
    ],
)
def test_a_bundle_for_any_data_set_trains_on_masks_by_class(tmp_path, layout, names):
    """On the split that the data set defines; the case for testing is scored."""
    data, output = WRITERS[layout](tmp_path / "data", names, "ct", 4), tmp_path / "run"
    settings = settings_of(data, output) | {"split": "official", "label_names": list(names.values())}
    run_here(["train"], settings, run_id="training")
    assert all(np.isfinite(loss) for loss in losses(output).values())
    record = read_record(output / "model.pt")
    assert (record.data["layout"], record.data["split"], dict(record.labels)) == (layout, "official", names)
    settings = {
        "dataset_dir": str(data),
        "model_path": str(output / "model.pt"),
        "output_dir": str(tmp_path / "scores"),
    }
    run_here(["evaluate"], {**settings, "amp": False, "section": "test"})
    with (tmp_path / "scores" / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["case"] for row in rows} == {"s0003" if layout == "totalsegmentator" else "pt_4"}
    assert all(float(row["reference_ml"]) > 0 for row in rows)
