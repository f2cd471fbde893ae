"""What goes into a bundle's zip; MONAI's own verification runs in the end-to-end test."""

import json
import shutil
import zipfile
from dataclasses import replace

import pytest
import yaml
from command_lines import AMOS, BRATS
from monai.networks.nets import UNet

from meddino_components.bundle import package
from meddino_components.checkpoints import WeightsRecord, read_payload, read_record, sha256_of, write_weights
from meddino_components.errors import InputError
from meddino_components.files import ResultFiles


def members(archive):
    with zipfile.ZipFile(archive) as opened:
        return {name.removeprefix(f"{AMOS.name}/"): opened.read(name) for name in opened.namelist()}


@pytest.mark.usefixtures("without_monai")
def test_holds_configurations_components_and_licences_only(tmp_path):
    archive = package(AMOS, tmp_path)
    names = set(members(archive))
    assert {"LICENSE", "configs/inference.json", "docs/data_license.txt", "docs/weights_license.txt"} <= names
    assert {"meddino_components/__main__.py", "meddino_components/evaluation/report.html"} <= names
    assert not [name for name in names if name.startswith("meddino_components/phantoms")]
    assert not [name for name in names if name.startswith(("sources", "models", "tests")) or "__pycache__" in name]
    assert (tmp_path / f"{archive.name}.sha256").read_text(
        encoding="utf-8"
    ) == f"{sha256_of(archive)}  {archive.name}\n"
    again = package(AMOS, tmp_path / "again")
    assert again.read_bytes() == archive.read_bytes()


@pytest.mark.usefixtures("without_monai")
def test_weights_inside_or_named_with_their_hash(tmp_path, model):
    inside = members(package(AMOS, tmp_path / "inside", model=model))
    assert inside["models/model.pt"] == model.read_bytes()
    assert inside["models/model.pt.sha256"].decode().split()[0] == sha256_of(model)
    outside = members(package(AMOS, tmp_path / "outside", model=model, model_url="https://example.org/model.pt"))
    assert "models/model.pt" not in outside
    assert yaml.safe_load(outside["large_files.yml"]) == {
        "large_files": [
            {
                "path": "models/model.pt",
                "url": "https://example.org/model.pt",
                "hash_val": sha256_of(model),
                "hash_type": "sha256",
            }
        ]
    }


@pytest.mark.usefixtures("without_monai")
def test_model_info_lists_all_bundles_of_the_folder(tmp_path):
    with ResultFiles() as files:
        files.path(tmp_path / "model_info.json").write_text('{"zebra_v1.0.0": {"checksum": "0", "source": "x"}}')
    archive = package(AMOS, tmp_path, releases="https://example.org/files/")
    info = json.loads((tmp_path / "model_info.json").read_text(encoding="utf-8"))
    assert list(info) == [archive.stem, "zebra_v1.0.0"]
    assert info[archive.stem]["source"] == f"https://example.org/files/{archive.name}"
    assert len(info[archive.stem]["checksum"]) == 40


def test_a_bundle_that_breaks_a_rule_leaves_nothing(tmp_path):
    copy = shutil.copytree(AMOS, tmp_path / AMOS.name)
    (copy / "configs" / "evil.json").write_text('{"x": "$open(1)"}')
    with pytest.raises(InputError, match=r"configs/evil\.json: the expression '\$open\(1\)' uses open"):
        package(copy, tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


def test_names_what_is_missing(tmp_path):
    with pytest.raises(InputError, match="give the folder of a bundle"):
        package(tmp_path, tmp_path / "dist")
    with pytest.raises(InputError, match=r"lost\.pt: no such file"):
        package(AMOS, tmp_path / "dist", model=tmp_path / "lost.pt")


@pytest.mark.usefixtures("without_monai")
def test_configurations_and_metadata_become_those_of_the_weights(tmp_path, model):
    files = members(package(AMOS, tmp_path / "dist", model=model))
    metadata, train, inference = (
        json.loads(files[f"configs/{name}.json"]) for name in ("metadata", "train", "inference")
    )
    prediction = metadata["network_data_format"]["outputs"]["pred"]
    assert prediction["channel_def"] == {"0": "background", "1": "kidney"}
    assert prediction["num_channels"] == 2
    assert metadata["network_data_format"]["inputs"]["image"]["num_channels"] == 1
    for settings in (train, inference["published"]):
        assert settings["interaction_indices"] == [1, 7]
        assert (settings["pixdim"], settings["label_names"]) == ([2.5, 2.0], ["background", "kidney"])
    assert inference["pixdim"] is None
    # training goes on from the shipped weights
    assert train["weights"] == "$@bundle_root + '/models/model.pt'"
    assert (train["backbone"], inference["published"]["backbone"]) == (None, "vit_mini")


@pytest.mark.usefixtures("without_monai")
def test_slices_of_a_bundle_lie_as_those_of_its_weights(tmp_path, model):
    record = read_record(model)
    sagittal = replace(record, plan={**record.plan, "axcodes": "IPL"})
    write_weights(read_payload(model), tmp_path / "sagittal.pt", record=sagittal)
    files = members(package(AMOS, tmp_path / "dist", model=tmp_path / "sagittal.pt"))
    train, evaluate, inference = (
        json.loads(files[f"configs/{name}.json"]) for name in ("train", "evaluate", "inference")
    )
    assert train["axcodes"] == evaluate["published"]["axcodes"] == inference["published"]["axcodes"] == "IPL"
    assert (train["orient_case"]["axcodes"], inference["orient_case"]["axcodes"]) == ("@axcodes", "$@model.axcodes")


@pytest.mark.usefixtures("without_monai")
def test_training_of_a_network_of_others_goes_on_with_that_network(tmp_path):
    arguments = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2, "channels": [4, 8], "strides": [2]}
    plan = {"roi_size": [64, 64], "pixdim": [2.5, 2.0], "context_slices": 1, "fingerprint": None, "background": None}
    record = WeightsRecord(
        architecture={"_target_": "monai.networks.nets.UNet", **arguments},
        plan=plan,
        labels={0: "background", 1: "kidney"},
        channels=("image",),
        data={"name": "Task07", "layout": "msd"},
        bundle="meddinov3_seg_amos",
    )
    write_weights(UNet(**arguments).state_dict(), tmp_path / "unet.pt", record=record)
    files = members(package(AMOS, tmp_path / "dist", model=tmp_path / "unet.pt"))
    train, evaluate, inference = (
        json.loads(files[f"configs/{name}.json"]) for name in ("train", "evaluate", "inference")
    )
    # also where MONAI builds the network before it knows where the weights are
    for config in (train, evaluate, inference):
        assert config["network_def"] == {"_requires_": "@check", "_target_": "monai.networks.nets.UNet", **arguments}
    assert (train["dataset_layout"], evaluate["published"]["dataset_layout"]) == ("msd", "msd")


@pytest.mark.usefixtures("without_monai")
def test_weights_of_another_bundle_are_refused(tmp_path, model):
    with pytest.raises(InputError, match="its record names bundle meddinov3_seg_amos, but meddinov3_seg_brats is pack"):
        package(BRATS, tmp_path / "dist", model=model)
