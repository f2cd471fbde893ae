"""Trained networks for other runtimes: ONNX, torch.export, TensorRT."""

from .command import export
from .exported_network import ExportedNetwork
from .formats import EXPORTED_SUFFIXES
from .tensorrt import compile_with_tensorrt

__all__ = ["EXPORTED_SUFFIXES", "ExportedNetwork", "compile_with_tensorrt", "export"]
