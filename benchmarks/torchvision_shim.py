"""Let a torchvision that was built for CUDA be imported beside a CPU build of torch.

Such a torchvision registers fake versions of two operators that the CPU build does not have, and fails. They are
declared here, without an implementation: nothing in the benchmarks calls them. Import this before nnU-Net.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import torch

_DETECTION = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def _declare() -> torch.library.Library | None:
    try:
        built_for_cpu = version("torchvision").endswith("+cpu")
    except PackageNotFoundError:
        return None
    if torch.version.cuda is not None or built_for_cpu:
        return None
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(name + _DETECTION)
    return library


LIBRARY = _declare()  # the declarations live as long as this object
