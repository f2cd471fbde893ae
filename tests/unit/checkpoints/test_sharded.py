"""Weights in several files: refused with the command that joins them, which works."""

import subprocess
import sys

import pytest
import torch
from command_lines import environment

from meddino_components.checkpoints import load_backbone_weights, resolve
from meddino_components.errors import InputError


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["__0_0.distcp", "__1_0.distcp", ".metadata"], "sharded checkpoint of torch.distributed.*dcp_to_torch"),
        (["zero_pp_rank_0_mp_rank_00_optim_states.pt"], "DeepSpeed checkpoint.*zero_to_fp32"),
        (["model-00001-of-00002.safetensors", "model.safetensors.index.json"], "split over several files"),
        (["pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json"], "split over several files"),
    ],
)
def test_a_folder_and_each_of_its_files(tmp_path, names, message):
    for name in names:
        (tmp_path / name).touch()
    for source in (tmp_path, *(tmp_path / name for name in names)):
        with pytest.raises(InputError, match=f"^{source}: .*{message}"):
            resolve(source)


def test_whole_weights_beside_an_index_are_taken(tmp_path):
    for name in ("model.safetensors", "model.safetensors.index.json"):
        (tmp_path / name).touch()
    assert resolve(tmp_path) == tmp_path / "model.safetensors"


@pytest.mark.slow
def test_the_command_for_a_sharded_checkpoint_joins_it(tmp_path, tiny_vit):
    import torch.distributed.checkpoint as sharded

    original, network = tiny_vit(seed=1), tiny_vit(seed=2)
    sharded.save({"model": original.state_dict()}, checkpoint_id=tmp_path / "folder", no_dist=True)
    with pytest.raises(InputError) as error:
        resolve(tmp_path / "folder")
    command = str(error.value).partition("python ")[2].partition(";")[0].split()
    subprocess.run([sys.executable, *command], cwd=tmp_path, env=environment(), check=True, capture_output=True)
    load_backbone_weights(network, tmp_path / "weights.pt")
    assert torch.equal(network.cls_token, original.cls_token)
