"""Record a segmentation network as one `torch.export` program for any number and size of slices."""

from __future__ import annotations

import torch
from torch.export import Dim, ExportedProgram

from ..networks import MedDinoSegmenter

# Sizes for tracing: all different and larger than 1, as 0 and 1 would become constants. The checks use other sizes, to
# detect a table that was fixed for these.
_EXAMPLE_SLICES, _EXAMPLE_GRID = 2, (4, 6)


def export_program(network: MedDinoSegmenter) -> ExportedProgram:
    """Record a network in evaluation mode on the CPU.

    The numbers of slices and of rows and columns of patches are free: the program computes rotary tables and the
    decoder's order of pixels from the size of its input.

    Args:
        network: network on the CPU, which is set to evaluation mode.

    Returns:
        A program that maps [B, C, H, W] to [B, K, H, W], where H and W are multiples of the patch size and at least two
        patches.
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
