"""What is done with an encoder once it is trained: judging it, and extracting features."""

import json

import pytest
import torch
from command_lines import PRETRAIN
from in_process import run_here
from safetensors import safe_open
from safetensors.torch import load_file
from visible_files import visible

from meddino_components.checkpoints import write_weights
from meddino_components.data import label_names, read_datalist
from meddino_components.networks import vit_backbone


@pytest.fixture
def encoder(tmp_path):
    """Weights on disk, and the settings of the network that they fit."""
    torch.manual_seed(0)
    write_weights(vit_backbone("vit_mini", layerscale_init=1.0).state_dict(), tmp_path / "teacher.safetensors")
    return {
        "model_path": str(tmp_path / "teacher.safetensors"),
        "output_dir": str(tmp_path / "out"),
        "slice_batch_size": 4,
        "n_pictures": 1,
    }


def test_evaluation_compares_with_random_weights_and_raw_pixels(encoder, phantoms, tmp_path):
    cases = read_datalist(phantoms, "amos", section="training")[:2]
    settings = {
        "reference_data": cases,
        "label_names": list(label_names(phantoms, "amos").values()),
        "reference_px": 128,
        "slab_roles": ["train", "test"],
        "slab_gap": 1,
        "reference_unit_slices": 2,
    }
    run_here(["evaluate"], {**encoder, **settings}, bundle=PRETRAIN)
    rows = json.loads((tmp_path / "out" / "patches.json").read_text(encoding="utf-8"))["rows"]
    assert [(row["encoder"], row["probe"]) for row in rows] == [
        (name, probe) for probe in ("knn", "logistic") for name in ("encoder", "random weights", "raw pixels")
    ]
    assert "WITHIN ONE PATIENT" in (tmp_path / "out" / "patches.md").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "feature_maps.png").stat().st_size > 10_000


def test_features_of_volumes_go_on_after_a_bad_one(encoder, phantoms, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    good = read_datalist(phantoms, "amos", section="training")[0]["image"]
    (folder / "good.nii.gz").symlink_to(good)
    (folder / "bad.nii.gz").write_bytes(b"no volume")
    with pytest.raises(SystemExit) as ended:
        run_here(["inference"], {**encoder, "dataset_dir": str(folder), "size_px": 64}, bundle=PRETRAIN)
    assert ended.value.code == 1
    out = tmp_path / "out"
    assert visible(out) == ["good.png", "good.safetensors"]
    tensors = load_file(out / "good.safetensors")
    n_slices = len(tensors["cls"])
    assert tensors["cls"].shape == (n_slices, 192)
    assert tensors["patches"].shape == (n_slices, 4, 4, 192)
    assert tensors["patches"].dtype == torch.float16
    with safe_open(out / "good.safetensors", "pt") as file:
        assert json.loads(file.metadata()["size_px"]) == 64
