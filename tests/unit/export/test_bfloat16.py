"""bf16 arithmetic in fp32."""

import torch
from torch import Tensor

from meddino_components.export.bfloat16 import without_bfloat16


def bfloat16_nodes(program):
    values = {node: node.meta.get("val") for node in program.graph.nodes}
    return [node for node, value in values.items() if isinstance(value, Tensor) and value.dtype == torch.bfloat16]


@torch.no_grad()
def test_the_same_numbers_without_bf16_arithmetic(network, program):
    assert any(node.target is torch.ops.aten.cos.default for node in bfloat16_nodes(program))
    widened = without_bfloat16(program)
    assert {node.target for node in bfloat16_nodes(widened)} == {torch.ops.aten._to_copy.default}
    assert all(
        {reader.kwargs.get("dtype") for reader in node.users} == {torch.float32} for node in bfloat16_nodes(widened)
    )
    for shape in [(1, 4, 32, 48), (2, 4, 112, 80)]:
        slices = torch.randn(shape)
        assert torch.equal(widened.module()(slices), network(slices))
