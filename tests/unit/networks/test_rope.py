"""The rotation has two forms with the same numbers."""

import pytest
import torch

from meddino_components.networks import rope
from meddino_components.networks.rope import RopePositionEmbedding, rotate


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@torch.no_grad()
def test_the_recorded_rotation_gives_the_same_numbers(dtype, monkeypatch):
    sin, cos = RopePositionEmbedding(embed_dim=32, num_heads=2, dtype=dtype)(5, 7)
    queries = torch.randn(2, 2, 35, 16)
    expected = rotate(queries, sin, cos)
    monkeypatch.setattr(rope, "is_traced", lambda: True)
    assert torch.equal(rotate(queries, sin, cos), expected)
