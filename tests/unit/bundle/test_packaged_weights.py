"""Weights that a reader of a bundle would get in part are not packaged."""

import monai.bundle
import pytest
import torch
from command_lines import AMOS, PRETRAIN
from safetensors.torch import save_file

from meddino_components.bundle import package, unpack
from meddino_components.checkpoints import read_payload, read_record, write_weights
from meddino_components.errors import InputError
from meddino_components.networks import MedDinoSegmenter, vit_backbone

pytestmark = pytest.mark.usefixtures("without_monai")


def refused(bundle, model, tmp_path, message):
    with pytest.raises(InputError, match=message):
        package(bundle, tmp_path / "dist", model=model)
    assert not list((tmp_path / "dist").glob("*.zip"))


def test_monai_loads_every_variable_of_what_is_packaged(tmp_path, model):
    unpack(package(AMOS, tmp_path / "dist", model=model), tmp_path / "here")
    network = monai.bundle.load(
        AMOS.name,
        bundle_dir=str(tmp_path / "here"),
        source="github",
        repo="a/b/c",
        workflow_type="inference",
        device="cpu",
    )
    found, weights = network.state_dict(), read_payload(model)
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], weights[name]) for name in weights)


def test_another_width_without_a_record(tmp_path):
    """Of twelve blocks, as the bundle's, so that `inference.json` would build the network from the file."""
    backbone = vit_backbone("vit_tiny", qkv_bias=False, norm_layer="layernorm")
    network = MedDinoSegmenter(backbone=backbone, num_classes=16, interaction_indices=[2, 5, 8, 11])
    write_weights(network.state_dict(), tmp_path / "bare.pt")
    refused(AMOS, tmp_path / "bare.pt", tmp_path, r"2 of 182 tensors.*the model\.pt that training writes")


def test_a_decoder_of_other_levels(tmp_path):
    backbone = vit_backbone("vit_tiny", qkv_bias=False, norm_layer="layernorm")
    network = MedDinoSegmenter(backbone=backbone, num_classes=2, interaction_indices=[1, 7])
    write_weights(network.state_dict(), tmp_path / "bare.pt")
    refused(AMOS, tmp_path / "bare.pt", tmp_path, "the weights do not fit the network")


def test_a_tensor_that_was_lost(tmp_path, model):
    lost = dict(list(read_payload(model).items())[1:])
    write_weights(lost, tmp_path / "lost.pt", record=read_record(model))
    refused(AMOS, tmp_path / "lost.pt", tmp_path, "1 missing from the file")


def test_what_torch_does_not_load_and_what_lies_in_a_container(tmp_path, model):
    """Our reader takes both; MONAI reads `models/model.pt` by torch, and looks for tensors at its root."""
    weights, record = read_payload(model), read_record(model)
    write_weights(weights, tmp_path / "trained.safetensors", record=record)
    refused(AMOS, tmp_path / "trained.safetensors", tmp_path, r"0 of \d+ tensors")
    torch.save({"network": weights}, tmp_path / "checkpoint.pt")
    refused(AMOS, tmp_path / "checkpoint.pt", tmp_path, "2 classes, the network 16")


def test_a_bundle_that_reads_no_such_file(tmp_path):
    save_file(vit_backbone("vit_mini").state_dict(), tmp_path / "teacher.safetensors")
    refused(PRETRAIN, tmp_path / "teacher.safetensors", tmp_path, r"reads no models/model\.pt")
