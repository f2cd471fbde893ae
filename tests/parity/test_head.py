"""`DINOHead` against the official head, on its weights."""

import os
from pathlib import Path

import torch
from torch.testing import assert_close

from meddino_components.networks import DINOHead

FOLDER = Path(os.environ.get("MEDDINO_GOLDEN") or Path(__file__).parent / "golden") / "head"
TOLERANCE = {"rtol": 1e-4, "atol": 2e-5}


def pytest_generate_tests(metafunc):
    names = sorted(path.name.removesuffix(".kwargs.json") for path in FOLDER.glob("*.kwargs.json"))
    metafunc.parametrize("variant", names)


def case(variant, golden_tensors, golden_json):
    head = DINOHead(**golden_json(f"head/{variant}.kwargs.json"))
    head.load_state_dict(golden_tensors(f"head/{variant}.state_dict.safetensors"), strict=True)
    return head, golden_tensors(f"head/{variant}.io.safetensors")


@torch.no_grad()
def test_outputs(variant, golden_tensors, golden_json):
    head, io = case(variant, golden_tensors, golden_json)
    assert_close(head(io["x"]), io["y"], **TOLERANCE)
    assert_close(head(io["x"], no_last_layer=True), io["y_no_last_layer"], **TOLERANCE)
    assert_close(head(io["xb"], only_last_layer=True), io["y_only_last_layer_xb"], **TOLERANCE)
    assert_close(head.double()(io["x"].double()), io["y64"], rtol=1e-6, atol=1e-6)


def test_gradient(variant, golden_tensors, golden_json):
    head, io = case(variant, golden_tensors, golden_json)
    x = io["x"].clone().requires_grad_()
    head(x).pow(3).mean().backward()
    assert_close(x.grad, io["grad_x_of_mean_y3"], rtol=1e-3, atol=1e-6)
