"""Export trained networks to other runtimes: ONNX, torch.export, TensorRT."""

from .command import export
from .exported_network import ExportedNetwork
from .tensorrt import compile_with_tensorrt

__all__ = ["ExportedNetwork", "compile_with_tensorrt", "export"]
