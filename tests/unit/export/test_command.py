"""What the command hands on to be written, for weights with and without a record; writing is `test_checked_file`."""

import importlib
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from command_lines import AMOS, BRATS
from in_process import untouched_process
from monai.networks.nets import BasicUNet
from random_models import write_random_model

from meddino_components import __version__
from meddino_components.checkpoints import describe_monai_network, read_record, sha256_of, write_weights
from meddino_components.errors import InputError
from meddino_components.export import export

# the package has a function of the same name in its module `command`
command = importlib.import_module("meddino_components.export.command")
TINY = {"backbone": "vit_tiny", "random_start::embed_dim": 64, "random_start::num_heads": 1}


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """Export to a file that holds a word; gives what would have been written, and what was said."""

    def call(**given):
        handed_on = SimpleNamespace()

        def write(network, path, record, **settings):
            handed_on.network, handed_on.record, handed_on.settings = network, record, settings
            path.write_text("exported")
            return ["first check", "second check"]

        monkeypatch.setattr(command, "write_checked", write)
        with untouched_process():
            handed_on.said = export(str(tmp_path / "model.pt2"), **given)
        return handed_on

    return call


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A tiny network of organs, with the record that a training writes."""
    path = tmp_path_factory.mktemp("weights") / "model.pt"
    write_random_model(path, roi_size=[64, 96], pixdim=[3.0, 2.0], **TINY)
    return path


def test_the_record_of_the_weights_and_what_the_file_takes(exported, weights, tmp_path):
    found = exported(bundle=str(AMOS), model=str(weights), tolerance=0.01)
    record = read_record(weights)
    assert replace(found.record, export=None) == record
    assert found.settings == {"roi_size": (64, 96), "tolerance": 0.01, "independent": False}
    part = dict(found.record.export)
    assert part.pop("input") == {
        "name": "image",
        "axes": ["slices", "channels", "height", "width"],
        "channels": 1,
        "multiple_of_px": 16,
        "smallest_px": 32,
        "fixed_axes": ["channels"],
        "roi_size": [64, 96],
        "pixdim_mm": [3.0, 2.0],
        "axcodes": "PLS",
    }
    output = part.pop("output")
    assert (output["name"], len(output["labels"]), output["labels"][:2]) == ("logits", 16, ["background", "spleen"])
    assert part.pop("versions") == {"meddino": __version__, "torch": str(torch.__version__)}
    assert part.pop("weights_sha256") == sha256_of(weights)
    assert part.pop("weights_record_id") == record.id
    assert set(part) == {"bundle_version"}
    # the network of the weights, not another of its kind
    assert torch.equal(found.network.backbone.cls_token, torch.load(weights, weights_only=True)["backbone.cls_token"])
    path = tmp_path / "model.pt2"
    assert found.said == f"wrote {path}\nfirst check\nsecond check\nSHA-256 {sha256_of(path)}"


def test_weights_without_a_record_get_one_of_what_they_were_run_with(exported, weights, tmp_path):
    bare = tmp_path / "bare.pt"
    torch.save(torch.load(weights, weights_only=True), bare)
    found = exported(bundle=str(AMOS), model=str(bare), roi_size=[64, 64], context_slices=1)
    record = found.record
    assert record.parents == ({"source": "bare.pt", "sha256": sha256_of(bare), "role": "network", "record_id": None},)
    assert record.export["weights_record_id"] is None
    assert (record.plan["roi_size"], record.plan["context_slices"]) == ([64, 64], 1)
    assert record.architecture["num_classes"] == 16
    assert record.architecture["backbone"]["embed_dim"] == 64
    assert record.labels[1] == "spleen"
    assert record.regions is None
    assert record.bundle == "meddinov3_seg_amos"
    assert found.settings["roi_size"] == (64, 64)


def test_regions_are_checked_one_by_one_and_named_by_their_number(exported, tmp_path):
    write_random_model(tmp_path / "model.pt", bundle=BRATS, **TINY)
    found = exported(bundle=str(BRATS), model=str(tmp_path / "model.pt"))
    assert found.settings["independent"]
    assert found.record.export["input"]["channels"] == 4
    # as text, for JSON has no numbers as names
    assert list(found.record.export["output"]["labels"]) == ["1", "2", "4"]
    assert found.record.regions["members"]


def test_a_network_of_others_is_sent_to_its_library(exported, weights, tmp_path):
    definition = {"_target_": "BasicUNet", "spatial_dims": 2, "in_channels": 1, "out_channels": 16}
    record = replace(read_record(weights), architecture=describe_monai_network(definition))
    path = tmp_path / "unet.pt"
    write_weights(BasicUNet(spatial_dims=2, in_channels=1, out_channels=16).state_dict(), path, record=record)
    with pytest.raises(
        InputError, match=r"unet\.pt: is a BasicUNet, but only networks of this project can be exported"
    ):
        exported(bundle=str(AMOS), model=str(path))
    assert not (tmp_path / "model.pt2").exists()


def test_a_setting_that_contradicts_the_weights_is_refused(exported, weights, tmp_path):
    with pytest.raises(InputError, match=r"model\.pt: .*roi_size.*64.*96"):
        exported(bundle=str(AMOS), model=str(weights), roi_size=[32, 32])
    assert not (tmp_path / "model.pt2").exists()
