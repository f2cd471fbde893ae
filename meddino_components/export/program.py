"""A segmentation network as one `torch.export` program for any number and size of slices."""

from __future__ import annotations

import torch
from torch.export import Dim, ExportedProgram

from ..networks import MedDinoSegmenter

# Traced on sizes that are none of 0 and 1, which would be taken for constants, and all different. Those of the checks
# are others, so that a table baked for this size would be found.
_EXAMPLE_SLICES, _EXAMPLE_GRID = 2, (4, 6)


def export_program(network: MedDinoSegmenter) -> ExportedProgram:
    """Record a network in evaluation mode on the CPU.

    The slices, and the rows and columns of patches, are free: rotary tables and the decoder's order of pixels are
    computed by the program from the size of its input.

    Args:
        network: on the CPU; put into evaluation mode.

    Returns:
        a program that maps [B, C, H, W] to [B, K, H, W], H and W multiples of the patch size of at least two patches.
    """
    patch_size = network.backbone.patch_size
    sizes = {
        0: Dim("slices"),
        2: patch_size * Dim("patch_rows", min=2),
        3: patch_size * Dim("patch_columns", min=2),
    }
    rows, columns = _EXAMPLE_GRID
    example = torch.zeros(_EXAMPLE_SLICES, network.stem.in_channels, rows * patch_size, columns * patch_size)
    with torch.no_grad():
        return torch.export.export(network.eval(), (example,), dynamic_shapes=(sizes,))
