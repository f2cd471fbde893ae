"""Encoders from files, their titles and their order."""

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from meddino_components.checkpoints import write_weights
from meddino_components.embeddings import frozen_backbone, with_weights
from meddino_components.errors import InputError
from meddino_components.figures import weights_encoder
from meddino_components.figures.weights import list_weights, weights_title
from meddino_components.networks import vit_backbone

TINY = {"embed_dim": 24, "depth": 1, "num_heads": 2}


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("run/teacher_0000125.pt", "teacher, iteration 125"),
        ("run/training_12499/teacher_checkpoint.pth", "training/teacher_checkpoint, iteration 12,499"),
        ("dinov3_vitb16_pretrain_lvd1689m-73cec8be.pth", "dinov3_vitb16_pretrain_lvd1689m-73cec8be"),
        ("run/checkpoint.pt", "run/checkpoint"),
        ("hf://owner/name", "owner/name"),
    ],
)
def test_titles(path, title):
    assert weights_title(path) == title


def test_iteration_from_metadata(tmp_path):
    write_weights({"a": torch.zeros(1)}, tmp_path / "teacher.safetensors", {"iteration": "20000"})
    assert weights_title(tmp_path / "teacher.safetensors") == "teacher, iteration 20,000"
    write_weights({"a": torch.zeros(1)}, tmp_path / "teacher_0000500.safetensors", {"iteration": "500"})
    assert weights_title(tmp_path / "teacher_0000500.safetensors") == "teacher, iteration 500"


def test_order_is_that_given_and_of_numbers_in_patterns(tmp_path):
    for name in ("t_1000.pt", "t_200.pt", "t_200.pt.sha256"):
        (tmp_path / name).touch()
    expected = ["random", f"{tmp_path}/t_200.pt", f"{tmp_path}/t_1000.pt"]
    assert list_weights(f"random,{tmp_path}/t_*") == expected
    assert list_weights(["random", f"{tmp_path}/*.pt"]) == expected
    assert list_weights(f"['b.pt', 'a.pt', {tmp_path}/t_200.pt]") == ["b.pt", "a.pt", f"{tmp_path}/t_200.pt"]
    assert list_weights(Path("a.pt")) == ["a.pt"]
    with pytest.raises(InputError, match=r"x\*\.pt: no file matches"):
        list_weights("random,x*.pt")
    with pytest.raises(InputError, match="no weights given"):
        list_weights("")


def test_weights_are_those_of_the_file(tmp_path):
    network = vit_backbone("vit_mini", **TINY).eval()
    write_weights(network.state_dict(), tmp_path / "a.safetensors", {})
    encoder = weights_encoder(tmp_path / "a.safetensors", device="cpu")
    image = torch.randn(1, 1, 32, 48)
    expected = network.forward_features(image.expand(-1, 3, -1, -1))["x_norm_patchtokens"]
    assert_close(encoder.encode(image)[1], expected)
    assert encoder.name == "a"


def test_random_weights_are_said_and_of_their_seed():
    state = torch.get_rng_state()
    one, again, other = (weights_encoder("random", backbone="vit_mini", seed=seed, device="cpu") for seed in (0, 0, 1))
    assert one.name == "random weights (vit_mini, seed 0)"
    assert one.digest == again.digest != other.digest
    assert torch.equal(torch.get_rng_state(), state)
    # the numbers that the benchmark's control has
    benchmark = frozen_backbone("random", with_weights(vit_backbone("vit_mini"), "random", seed=1))
    assert other.digest == benchmark.digest


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"weights": "lost.pt"}, "lost.pt: no such file"),
        ({"backbone": "vit_huge"}, "unknown backbone 'vit_huge'"),
        ({"backbone": "vit_large", "weights": "{mini}"}, "192 wide, 8 blocks.* vit_large .1024 wide, 24 blocks"),
        ({"intensity": "photo"}, "expected 'scan' or 'picture'"),
    ],
)
def test_wrong_settings(tmp_path, settings, said):
    mini = tmp_path / "mini.safetensors"
    if "{mini}" in settings.values():
        write_weights(vit_backbone("vit_mini").state_dict(), mini)
        settings = {**settings, "weights": mini}
    with pytest.raises(InputError, match=said):
        weights_encoder(**{"weights": "random", "backbone": "vit_mini", **settings})
