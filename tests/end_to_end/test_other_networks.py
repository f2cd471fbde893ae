"""Networks and losses of MONAI in the bundles, by their usual keys."""

import json

import nibabel as nib
import numpy as np
import pytest
import torch
from brats_volumes import write_brats
from command_lines import BRATS, losses, read_log
from in_process import run_here
from tiny_settings import NETWORK, TINY

from meddino_components.bundle import segment
from meddino_components.checkpoints import read_record
from meddino_components.errors import InputError, input_error

PLAIN = {"spatial_dims": 2, "in_channels": 1, "out_channels": 16}
NETWORKS = {
    "DynUNet": {
        "_target_": "DynUNet",
        **PLAIN,
        "kernel_size": [3, 3, 3],
        "strides": [1, 2, 2],
        "upsample_kernel_size": [2, 2],
        "filters": [4, 8, 16],
    },
    "SegResNet": {"_target_": "SegResNet", **PLAIN, "init_filters": 8},
    "UNet": {"_target_": "UNet", **PLAIN, "channels": [4, 8, 16], "strides": [2, 2]},
    "SwinUNETR": {"_target_": "SwinUNETR", **PLAIN, "feature_size": 12, "depths": [1, 1, 1, 1]},
    "SegResNetDS": {"_target_": "monai.networks.nets.SegResNetDS", **PLAIN, "init_filters": 8, "dsdepth": 2},
}
# of a class that no record describes
ONE_LAYER = {"_target_": "torch.nn.Conv2d", "in_channels": 1, "out_channels": 16, "kernel_size": 3, "padding": 1}
DICE_CE = {"_target_": "DiceCELoss", "to_onehot_y": True, "softmax": True}
SUPERVISED = {"_target_": "monai.losses.DeepSupervisionLoss", "loss": DICE_CE}


@pytest.fixture
def of_others(training_overrides):
    """Settings for a network that has no ``backbone``, which would be a key that nothing reads."""
    return {key: value for key, value in training_overrides.items() if key not in NETWORK}


@pytest.mark.parametrize("name", NETWORKS)
def test_trained_validated_evaluated_and_resumed(of_others, tmp_path, name):
    if name == "SwinUNETR":
        pytest.importorskip("einops")
    loss = SUPERVISED if name == "SegResNetDS" else DICE_CE
    output, network = tmp_path / "run", NETWORKS[name]
    settings = {**of_others, "network_def": network, "loss": loss, "epochs": 1}
    run_here(["train"], settings)
    run_here(["train"], {**settings, "epochs": 2, "resume": True})
    assert sorted(losses(output)) == [1, 2, 3, 4, 5, 6]
    # one group, at the rate of the rest
    assert [len(line["learning_rates"]) for line in read_log(output) if "loss" in line] == [1] * 6
    # the record says how the network is built, so nothing is typed again
    places = {"dataset_dir": of_others["dataset_dir"], "model_path": str(output / "model.pt"), "amp": False}
    run_here(["evaluate"], {**places, "output_dir": str(tmp_path / "evaluation")})
    summary = json.loads((tmp_path / "evaluation" / "summary.json").read_text(encoding="utf-8"))
    assert (summary["ok"] > 0, summary["failed"]) == (True, 0)


@pytest.mark.parametrize("described", [True, False])
def test_segmented_by_the_record_or_by_what_is_typed(of_others, phantoms, tmp_path, described):
    network = NETWORKS["UNet"] if described else ONE_LAYER
    settings = {**of_others, "network_def": network, "loss": DICE_CE, "epochs": 1}
    run_here(["train"], settings)
    model, scan = tmp_path / "run" / "model.pt", next((phantoms / "imagesVa").glob("*.nii.gz"))
    typed = {"dataset_dir": str(scan), "model_path": str(model), "modality": "ct"}
    run_here(["inference"], {**typed, "network_def": network, "output_dir": str(tmp_path / "typed")})
    if not described:
        with pytest.raises(
            InputError, match="its record cannot describe its network: pass --network_def as in training"
        ):
            segment(scan, tmp_path / "alone", model=model, modality="ct")
        return
    assert segment(scan, tmp_path / "alone", model=model, modality="ct")["ok"] == 1
    assert read_record(model).architecture["_target_"] == "monai.networks.nets.UNet"
    first, second = (nib.load(tmp_path / name / scan.name).get_fdata() for name in ("typed", "alone"))
    assert np.array_equal(first, second)
    assert len(np.unique(first)) > 1


def test_a_loss_of_monai_for_regions_and_for_our_network(tmp_path):
    places = {"dataset_dir": str(write_brats(tmp_path / "brains")), "output_dir": str(tmp_path / "run")}
    sigmoid = {"_target_": "DiceCELoss", "sigmoid": True}
    run_here(["train"], {**TINY, **places, "pixdim": [4.0, 4.0], "loss": sigmoid, "epochs": 1}, bundle=BRATS)
    assert len(losses(tmp_path / "run")) == 3
    assert (tmp_path / "run" / "model.pt").is_file()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss": DICE_CE, "class_balance": 0.5}, "class_balance is 0.5, but DiceCELoss does not use it"),
        ({"network_def": NETWORKS["UNet"], "weights": "{encoder}"}, "holds no tensor of UNet, which has no DINOv3"),
    ],
)
def test_what_does_not_go_together_is_named(training_overrides, of_others, tmp_path, changes, said):
    torch.save({"cls_token": torch.zeros(1, 1, 8)}, tmp_path / "encoder.pt")
    changes = {k: str(tmp_path / "encoder.pt") if v == "{encoder}" else v for k, v in changes.items()}
    with pytest.raises(RuntimeError) as error:
        run_here(["train"], {**(of_others if "network_def" in changes else training_overrides), **changes})
    assert said in str(input_error(error.value))


def test_training_begins_from_a_whole_state_dict(of_others, tmp_path):
    settings = {**of_others, "network_def": NETWORKS["UNet"], "loss": DICE_CE, "epochs": 1}
    run_here(["train"], settings)
    further = {**settings, "weights": str(tmp_path / "run" / "model.pt"), "output_dir": str(tmp_path / "further")}
    del further["model_path"]
    run_here(["train"], further)
    assert losses(tmp_path / "further")[1] < losses(tmp_path / "run")[1]
