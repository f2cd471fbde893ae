"""Rewrite the bf16 arithmetic of a program in fp32, for runtimes without bf16 kernels.

The published MedDINOv3 networks rotate queries and keys in bf16. onnxruntime's CPU kernels cannot compute in bf16, but
can convert to it. PyTorch computes each bf16 operation in fp32 and rounds the result, so the same numbers come from
fp32 operations with a conversion to bf16 and back after each.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import Node

_aten = torch.ops.aten
# operations that only move numbers: their results need no rounding
_MOVES = {
    operator.getitem,
    _aten.cat.default,
    _aten.meshgrid.indexing,
    _aten.slice.Tensor,
    _aten.split.Tensor,
    _aten.stack.default,
    _aten.tile.default,
    _aten.unsqueeze.default,
    _aten.view.default,
}


def without_bfloat16(program: ExportedProgram) -> ExportedProgram:
    """Return the same program, with bf16 only as a conversion that is followed by one back to fp32.

    Args:
        program: exported program, which is not changed; both programs share tensors.
    """
    program = program.run_decompositions({})  # removes views and in-place writes
    for tensors in (program.state_dict, program.constants):
        for name, tensor in tensors.items():
            if isinstance(tensor, Tensor) and tensor.dtype == torch.bfloat16:
                tensors[name] = tensor.float()
    for node in list(program.graph.nodes):
        if node.target is _aten._assert_tensor_metadata.default:
            program.graph.erase_node(node)  # it checks the old types
        elif _is_bfloat16(node.meta.get("val")):
            _widen(node)
            if node.op == "call_function" and node.target not in _MOVES:
                _round(node)
    program.graph_module.recompile()
    return program


def _is_bfloat16(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return any(_is_bfloat16(item) for item in value)
    return isinstance(value, Tensor) and value.dtype == torch.bfloat16


def _widen(node: Node) -> None:
    """Make a node return fp32."""
    value = node.meta["val"]
    node.meta["val"] = (
        type(value)(item.float() for item in value) if isinstance(value, (tuple, list)) else value.float()
    )
    if node.kwargs.get("dtype") == torch.bfloat16:
        node.kwargs = {**node.kwargs, "dtype": torch.float32}


def _round(node: Node) -> None:
    """Round a node's result to bf16, and keep it as fp32."""
    graph, value = node.graph, node.meta["val"]
    readers = list(node.users)
    with graph.inserting_after(node):
        narrow = graph.call_function(_aten._to_copy.default, (node,), {"dtype": torch.bfloat16})
    with graph.inserting_after(narrow):
        rounded = graph.call_function(_aten._to_copy.default, (narrow,), {"dtype": torch.float32})
    narrow.meta["val"], rounded.meta["val"] = value.to(torch.bfloat16), value
    for reader in readers:
        reader.replace_input_with(node, rounded)
