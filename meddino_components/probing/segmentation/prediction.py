"""Prediction of whole cases by a trained decoder, one block of slices at a time.

Shapes: D slices, H x W the case's own grid, S side of the square.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ...data.volumes.resampling import fit_from_square
from ...networks.map_decoders import MapDecoder
from .map_crops import MappedCase

_PIXELS = 2**26  # scores on the case's own grid held at once


@torch.no_grad()
def predict_labels(
    decoder: MapDecoder, case: MappedCase, *, device: torch.device | str, amp: bool = False, block_slices: int = 16
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Predict labels [D, H, W] on the case's own grid, and [D, S, S] on the square.

    Blocks include the neighbouring slices that the decoder reads, so that their size does not change the labels.

    Args:
        decoder: trained decoder in evaluation mode, on ``device``.
        case: case with the maps of its slices.
        device: device of the decoder.
        amp: whether to multiply in bfloat16.
        block_slices: number of slices decoded at once.
    """
    native = np.empty(case.labels.native.shape, np.uint8)
    fitted = np.empty(case.labels.fitted.shape, np.uint8)
    _, height, width = case.labels.native.shape
    spacing, halo = case.labels.spacing_mm[:2], decoder.halo_slices
    for start in range(0, case.n_slices, block_slices):
        stop = min(start + block_slices, case.n_slices)
        low, high = max(0, start - halo), min(case.n_slices, stop + halo)
        with torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=amp):
            maps = case.stack(low, high, last_levels=decoder.num_levels)
            logits = decoder(maps[None].to(device).float())
        scores = logits[0, :, start - low : stop - low].float().transpose(0, 1)  # [slices, K, S, S]
        fitted[start:stop] = scores.argmax(1).byte().cpu().numpy()
        chunk = max(1, _PIXELS // (scores.shape[1] * height * width))
        for number, part in zip(range(start, stop, chunk), scores.split(chunk), strict=True):
            labels = fit_from_square(part, size=(height, width), spacing=spacing).argmax(1)
            native[number : number + len(part)] = labels.byte().cpu().numpy()
    return native, fitted
