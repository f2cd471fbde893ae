"""Configurations and metadata become those of the weights that a bundle ships."""

import pytest
from bundle_configs import read_json
from command_lines import AMOS

from meddino_components.bundle.of_weights import config_of_weights, metadata_of_weights, settings_of
from meddino_components.checkpoints import WeightsRecord, read_record


@pytest.fixture
def record(model):
    return read_record(model)


def test_settings_of_a_network_of_another_size(record):
    found = settings_of(record)
    assert (found["roi_size"], found["pixdim"]) == ([64, 64], [2.5, 2.0])
    assert found["label_names"] == ["background", "kidney"]
    assert (found["backbone"], found["interaction_indices"]) == ("vit_mini", [1, 7])
    assert found["random_start"] == {"qkv_bias": False, "norm_layer": "layernorm"}
    assert "dataset_layout" not in found


def test_published_settings_of_inference_and_own_settings_of_training(record):
    inference = config_of_weights(read_json(AMOS, "inference"), record)
    assert inference["published"]["pixdim"] == [2.5, 2.0]
    assert inference["published"]["label_names"] == ["background", "kidney"]
    assert inference["pixdim"] is None
    before = read_json(AMOS, "train")
    train = config_of_weights(before, record)
    assert train["weights"] == "$@bundle_root + '/models/model.pt'"
    assert train["pixdim"] == [2.5, 2.0]
    # the weights say themselves what their encoder is
    assert (train["backbone"], train["random_start"]) == (before["backbone"], before["random_start"])


def test_a_network_of_others_is_defined_as_its_record_says():
    record = WeightsRecord(
        architecture={"_target_": "monai.networks.nets.UNet", "spatial_dims": 2},
        plan={"roi_size": [64, 64], "pixdim": None, "context_slices": 1, "fingerprint": None, "background": None},
        labels={0: "background", 1: "kidney"},
        channels=("image",),
    )
    changed = config_of_weights(read_json(AMOS, "train"), record)
    assert changed["network_def"] == {"_requires_": "@check", **record.architecture}


def test_inputs_outputs_and_labels_of_the_metadata(record):
    data_format = metadata_of_weights(read_json(AMOS, "metadata"), record)["network_data_format"]
    assert data_format["inputs"]["image"]["num_channels"] == 1
    assert data_format["inputs"]["image"]["modality"] == "CT"
    assert data_format["outputs"]["pred"]["num_channels"] == 2
    assert data_format["outputs"]["pred"]["channel_def"] == {"0": "background", "1": "kidney"}
    # the bundle's own are as they were
    assert read_json(AMOS, "metadata")["network_data_format"]["outputs"]["pred"]["num_channels"] == 16
