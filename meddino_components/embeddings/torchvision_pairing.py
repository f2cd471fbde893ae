"""torchvision, which timm and open_clip import, beside a torch that it was not built for."""

from __future__ import annotations

import importlib
from importlib.util import find_spec

import torch

_DETECTION = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[torch.library.Library] = []  # the declarations live as long as this list


def import_torchvision() -> None:
    """Import torchvision if it is installed, so that what imports it afterwards finds it.

    A torchvision built for CUDA cannot load its operators beside a CPU build of torch, and fails when it describes two
    of them, for object detection. Only then they are declared, without an implementation: no image encoder calls them.
    transformers needs no torchvision but imports it where it is installed, and fails with it.
    """
    if find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error) or _declared:
            raise
        _declared.append(torch.library.Library("torchvision", "DEF"))
        for name in ("nms", "qnms"):
            _declared[0].define(name + _DETECTION)
        importlib.import_module("torchvision")
