"""MONAI's own checks of a bundle, from the repository's root and from the bundle's folder."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import pytest
from bundle_configs import BUNDLES, LAYERS, SEGMENTATION, label_names, read_json
from bundle_data import write_data_of
from command_lines import AMOS, BRATS, PRETRAIN, REPOSITORY
from monai.bundle import ConfigWorkflow
from monai.utils import BundleProperty
from tiny_settings import TINY

from meddino_components.checkpoints import write_weights
from meddino_components.data import AMOS_LABELS, brats_regions, data_set_regions

# the same requirements as the schema that MONAI downloads, from the specification's text
SCHEMA = REPOSITORY / "meddino_components" / "bundle" / "metadata_schema.json"
of_every_bundle = pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
of_segmentation = pytest.mark.parametrize("bundle", SEGMENTATION, ids=lambda bundle: bundle.name)


@pytest.fixture(params=["repository", "bundle"])
def configs(request, bundle, monkeypatch):
    """The path that a user types there."""
    monkeypatch.chdir(REPOSITORY if request.param == "repository" else bundle)
    return bundle.relative_to(Path.cwd()) / "configs"


def monai_bundle(monkeypatch, *arguments):
    """``python -m monai.bundle ...`` without a process of its own."""
    monkeypatch.setattr(sys, "argv", ["monai.bundle", *map(str, arguments)])
    runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)


@of_every_bundle
def test_verify_metadata(bundle, configs, monkeypatch):
    monai_bundle(monkeypatch, "verify_metadata", "--meta_file", configs / "metadata.json", "--filepath", SCHEMA)


@of_every_bundle
@pytest.mark.parametrize("lost", ["version", "network_data_format", "network_data_format.outputs.pred.channel_def"])
def test_verify_metadata_can_tell(bundle, tmp_path, monkeypatch, lost):
    metadata = read_json(bundle, "metadata")
    *parents, last = lost.split(".")
    node = metadata
    for parent in parents:
        node = node[parent]
    del node[last]
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(ValueError, match=f"'{last}' is a required property"):
        monai_bundle(monkeypatch, "verify_metadata", "--meta_file", tmp_path / "metadata.json", "--filepath", SCHEMA)


@of_segmentation
def test_metadata_agrees_with_the_configurations(bundle):
    metadata, config = read_json(bundle, "metadata"), read_json(bundle, "train")
    published = read_json(bundle, "inference")["published"]
    assert metadata["name"] == bundle.name == config["bundle_name"]
    assert metadata["version"] in metadata["changelog"]
    (output,) = metadata["network_data_format"]["outputs"].values()
    # MONAI Label takes the names of the labels from there, which with regions are not the channels
    if "label_convention" in published:
        regions = data_set_regions(convention=published["label_convention"])
        names, n_outputs = {0: "background", **dict(regions.label_names)}, len(regions.names)
    else:
        names, n_outputs = dict(enumerate(published["label_names"])), len(published["label_names"])
    assert {int(label): name for label, name in output["channel_def"].items()} == names
    assert output["num_channels"] == n_outputs
    (image,) = metadata["network_data_format"]["inputs"].values()
    assert list(image["channel_def"].values()) == config["channel_names"]
    assert image["num_channels"] == len(config["channel_names"]) * config["context_slices"]


def test_labels_and_outputs_are_those_of_the_data_sets():
    assert label_names(AMOS) == AMOS_LABELS
    outputs = {bundle: read_json(bundle, "metadata")["network_data_format"]["outputs"] for bundle in (AMOS, BRATS)}
    assert [outputs[bundle]["pred"]["num_channels"] for bundle in (AMOS, BRATS)] == [16, 3]
    assert label_names(BRATS) == {0: "background", **dict(brats_regions("brats2021").label_names)}


@of_segmentation
@pytest.mark.parametrize("name", ["train", "inference"])
def test_verify_net_in_out(bundle, configs, monkeypatch, name):
    files = ["--meta_file", configs / "metadata.json", "--config_file", configs / f"{name}.json"]
    # not the size of the network is tested, and the overlay is what a user without a GPU adds
    small = ["--backbone", "vit_tiny", "--n", "3", "--device", "cpu"]
    small += ["--weights", "random"] if name == "train" else []
    monai_bundle(monkeypatch, "verify_net_in_out", "network_def", *files, *small)


@of_segmentation
def test_verify_net_in_out_can_tell(bundle, monkeypatch):
    files = ["--meta_file", bundle / "configs/metadata.json", "--config_file", bundle / "configs/train.json"]
    small = ["--weights", "random", "--backbone", "vit_tiny"]
    with pytest.raises(ValueError, match="output channel number"):
        monai_bundle(monkeypatch, "verify_net_in_out", "network_def", *files, *small, "--num_outputs", "1")


# MONAI wants `validate::inferer` and the slices' transform under its own names; federated clients read
# them, nothing else does
UNUSUAL = {"train": {"train_preprocessing", "val_inferer"}, "evaluate": set(), "inference": set()}


@of_segmentation
@pytest.mark.parametrize(("name", "kind"), [("train", "train"), ("evaluate", "eval"), ("inference", "infer")])
def test_workflows_have_the_properties_that_monai_requires(bundle, tmp_path, name, kind, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    modality = read_json(bundle, "train")["modality"] or "ct"
    data = write_data_of(bundle, tmp_path / "data")
    settings = {**TINY, "dataset_dir": str(data), "output_dir": str(tmp_path), "modality": modality}
    workflow = ConfigWorkflow(
        config_file=str(bundle / "configs" / f"{name}.json"),
        workflow_type=kind,
        logging_file=False,
        model_path=str(tmp_path / "model.pt"),
        **{key: value for key, value in settings.items() if key in read_json(bundle, name)},
    )
    workflow.initialize()
    write_weights(workflow.parser.get_parsed_content("network_def").state_dict(), tmp_path / "model.pt")
    wrong = workflow.check_properties()
    required = {name for name, item in workflow.properties.items() if item[BundleProperty.REQUIRED]}
    assert len(required) > 8
    assert required & set(wrong) == set()
    assert set(wrong) == UNUSUAL[name]


@of_every_bundle
def test_runs_from_a_copy_elsewhere(bundle, tmp_path, monkeypatch):
    """The bundle is what MONAI downloads: a folder of any name, without the repository."""
    copy = shutil.copytree(bundle, tmp_path / "a copy" / bundle.name)
    monkeypatch.setattr(sys, "path", [str(copy), *sys.path])
    first = next(iter(LAYERS[bundle]["complete"]))
    workflow = ConfigWorkflow(
        config_file=str(copy / "configs" / f"{first}.json"), workflow_type="train", logging_file=False
    )
    workflow.initialize()
    assert workflow.bundle_root == str(copy)
    # what it makes: a trained network, a teacher, or tables
    written = next(key for key in ("model_path", "teacher_path", "output_dir") if key in workflow.parser)
    below = "output/stage1/" if bundle == PRETRAIN else "output"
    assert str(workflow.parser.get_parsed_content(written)).startswith(f"{copy}/{below}")
