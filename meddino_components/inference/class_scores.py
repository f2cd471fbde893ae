"""Convert the scores of a few slices to labels before the next slices are computed.

Shapes: N slices, K classes or R regions, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

MAX_CLASSES = 256  # the label map is uint8


def write_labels(scores: Tensor, labels: Tensor) -> Tensor:
    """Write the best class of each pixel into ``labels``; ties go to the lower class, as in ``torch.argmax``.

    Args:
        scores: logits or probabilities [N, K, H, W] of any floating type.
        labels: label map [N, H, W] uint8 on the same device, which is overwritten.

    Returns:
        A boolean [N]: whether every score that could win in the slice is finite. It stays on the device, so that
        batches need not wait for a GPU.
    """
    channels_last = scores.stride(1) == 1
    if channels_last or scores.device.type != "cpu":
        # a pixel's classes are adjacent in memory: going class by class, as below, would read all memory for each class
        best, index = scores.permute(0, 2, 3, 1).max(dim=-1)
        labels.copy_(index)
        return torch.isfinite(best).flatten(1).all(dim=1)
    # torch's argmax over a middle dimension is slow on CPU and returns int64 (measured, one thread, 16 classes of
    # 4 x 512 x 512: 224 ms against 24 ms here)
    best = scores[:, 0].clone()
    labels.zero_()
    better = torch.empty_like(labels, dtype=torch.bool)
    candidate = better.view(torch.uint8)  # the same bytes
    for k in range(1, scores.shape[1]):
        torch.gt(scores[:, k], best, out=better)
        # k is larger than earlier labels, so a maximum writes it wherever it wins, without branching per pixel
        torch.maximum(labels, candidate.mul_(k), out=labels)
        torch.maximum(best, scores[:, k], out=best)  # maximum keeps a NaN, which `>` would ignore
    return torch.isfinite(best).flatten(1).all(dim=1)


def write_regions(scores: Tensor, labels: Tensor, written: Sequence[int]) -> Tensor:
    """Write for each pixel the label of the innermost region with a score above 0.

    A pixel of an inner region also counts for the regions around it, whatever their scores: labels cannot express
        otherwise.

    Args:
        scores: logits [N, R, H, W] (above 0 means a probability above one half), the outermost region first.
        labels: label map [N, H, W] uint8 on the same device, which is overwritten.
        written: label to write for each region.

    Returns:
        A boolean [N] on the device: whether every score in the slice is finite.
    """
    labels.zero_()
    for number, label in enumerate(written):
        labels.masked_fill_(scores[:, number] > 0, label)
    return torch.isfinite(scores).flatten(1).all(dim=1)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out, on a GPU or on the CPU (where torch raises a bare RuntimeError)."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        said in text for said in ("out of memory", "can't allocate memory", "not enough memory")
    )
