"""`RopePositionEmbedding` against the official tables, in three precisions."""

import pytest
import torch
from torch.testing import assert_close

from meddino_components.networks import RopePositionEmbedding

TOLERANCE = {
    "fp32": {"rtol": 1e-4, "atol": 2e-5},
    "fp64": {"rtol": 1e-12, "atol": 1e-12},
    "bf16": {"rtol": 0, "atol": 0},
}


@pytest.fixture
def tables(golden_tensors):
    return golden_tensors("rope/rope.safetensors")


def test_tables(tables, golden_json):
    compared = 0
    for case in golden_json("rope/cases.json"):
        if case["tag"].startswith("train"):
            continue
        rope = RopePositionEmbedding(**case["kwargs"]).eval()
        tolerance = TOLERANCE[case["kwargs"]["dtype"]]
        assert_close(rope.periods, tables[f"{case['tag']}.periods"], **tolerance)
        for height, width in ((14, 14), (6, 10)):
            sin, cos = rope(height, width)
            assert_close(sin, tables[f"{case['tag']}.{height}x{width}.sin"], **tolerance)
            assert_close(cos, tables[f"{case['tag']}.{height}x{width}.cos"], **tolerance)
            compared += 1
    assert compared == 2 * sum(name.endswith("14x14.sin") for name in tables)


@pytest.mark.parametrize("tag", ["train.shift", "train.jitter", "train.rescale", "train.all"])
def test_training_augmentation(tables, golden_json, monkeypatch, tag):
    (case,) = (case for case in golden_json("rope/cases.json") if case["tag"] == tag)
    rope = RopePositionEmbedding(**case["kwargs"]).train()
    neutral = {"shift_hw": torch.zeros(2), "jitter_hw": torch.ones(2), "rescale": torch.ones(1)}
    draws = [tables.get(f"{tag}.draw.{name}", value) for name, value in neutral.items()]
    monkeypatch.setattr(rope, "_draw_augmentation", lambda like: tuple(draws))
    sin, cos = rope(*case["hw"])
    assert_close(sin, tables[f"{tag}.sin"], **TOLERANCE["fp32"])
    assert_close(cos, tables[f"{tag}.cos"], **TOLERANCE["fp32"])
