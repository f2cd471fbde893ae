"""`RopePositionEmbedding` against the official tables, in three precisions."""

import re

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


def check_tables(tables, cases):
    """Compare every grid that is recorded for each case; returns their number."""
    compared = 0
    for case in cases:
        rope = RopePositionEmbedding(**case["kwargs"]).eval()
        tolerance = TOLERANCE[case["kwargs"]["dtype"]]
        assert_close(rope.periods, tables[f"{case['tag']}.periods"], **tolerance)
        grids = [re.fullmatch(rf"{re.escape(case['tag'])}\.(\d+)x(\d+)\.sin", name) for name in tables]
        for grid in filter(None, grids):
            sin, cos = rope(int(grid[1]), int(grid[2]))
            assert_close(sin, tables[grid[0]], **tolerance)
            assert_close(cos, tables[grid[0].removesuffix("sin") + "cos"], **tolerance)
            compared += 1
    return compared


def test_tables(tables, golden_json):
    cases = [case for case in golden_json("rope/cases.json") if not case["tag"].startswith("train")]
    recorded = [name for name in tables if name.endswith(".sin") and not name.startswith("train")]
    assert check_tables(tables, cases) == len(recorded) > 0


def test_a_set_of_other_grids_is_compared_whole():
    kwargs = {"embed_dim": 32, "num_heads": 2, "dtype": "fp32"}
    rope = RopePositionEmbedding(**kwargs).eval()
    tables = {"max.base100.fp32.periods": rope.periods}
    for height, width in ((9, 9), (3, 17), (1, 2)):
        for name, table in zip(("sin", "cos"), rope(height, width), strict=True):
            tables[f"max.base100.fp32.{height}x{width}.{name}"] = table.clone()
    assert check_tables(tables, [{"tag": "max.base100.fp32", "kwargs": kwargs}]) == 3
    tables["max.base100.fp32.3x17.cos"][4] += 1
    with pytest.raises(AssertionError):
        check_tables(tables, [{"tag": "max.base100.fp32", "kwargs": kwargs}])


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
