"""bf16 arithmetic of a program written out in fp32, for runtimes that have no bf16 kernels.

The published MedDINOv3 networks turn queries and keys in bf16. onnxruntime's CPU kernels do not compute in bf16, but
convert to it. PyTorch computes each bf16 operation in fp32 and rounds the result, so the same numbers come from fp32
operations with a conversion to bf16 and back after each.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import Node

_aten = torch.ops.aten
# what moves numbers and computes none: the result needs no rounding
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
    """The same program, in which bf16 occurs only as a conversion to it that is followed by one to fp32.

    Args:
        program: left as it is, but for tensors that both share.
    """
    program = program.run_decompositions({})  # without views and writes in place
    for tensors in (program.state_dict, program.constants):
        for name, tensor in tensors.items():
            if isinstance(tensor, Tensor) and tensor.dtype == torch.bfloat16:
                tensors[name] = tensor.float()
    for node in list(program.graph.nodes):
        if node.target is _aten._assert_tensor_metadata.default:
            program.graph.erase_node(node)  # holds the types that were
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
    """Let a node give fp32."""
    value = node.meta["val"]
    node.meta["val"] = (
        type(value)(item.float() for item in value) if isinstance(value, (tuple, list)) else value.float()
    )
    if node.kwargs.get("dtype") == torch.bfloat16:
        node.kwargs = {**node.kwargs, "dtype": torch.float32}


def _round(node: Node) -> None:
    """Round what a node gives to bf16, and keep it as fp32."""
    graph, value = node.graph, node.meta["val"]
    readers = list(node.users)
    with graph.inserting_after(node):
        narrow = graph.call_function(_aten._to_copy.default, (node,), {"dtype": torch.bfloat16})
    with graph.inserting_after(narrow):
        rounded = graph.call_function(_aten._to_copy.default, (narrow,), {"dtype": torch.float32})
    narrow.meta["val"], rounded.meta["val"] = value.to(torch.bfloat16), value
    for reader in readers:
        reader.replace_input_with(node, rounded)
