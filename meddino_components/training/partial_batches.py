"""Hand labels to the loss together with what was annotated."""

from __future__ import annotations

from typing import Any

import torch
from monai.engines import PrepareBatch, default_prepare_batch
from torch import Tensor


class PreparePartialBatch(PrepareBatch):
    """MONAI's ``default_prepare_batch``, with pairs (labels, annotated) as targets of batches that have ``annotated``.

    `SliceDataset` adds ``annotated`` [B, K] if cases lack annotations; `segmentation_loss` takes the pair apart.
    """

    def __call__(
        self,
        batchdata: dict[str, Tensor],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> Any:
        images, labels = default_prepare_batch(batchdata, device, non_blocking, **kwargs)
        if "annotated" not in batchdata:
            return images, labels
        return images, (labels, batchdata["annotated"].to(device=device, non_blocking=non_blocking))
