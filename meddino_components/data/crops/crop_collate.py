"""The collate function of pretraining: it makes a batch of crops with masks that depend only on seed and iteration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...processes import rank_and_size
from .collate import collate_crops, collate_masks
from .rendering import UnrenderedSample, collate_unrendered

# separates the random stream of masks from that of samples
_MASKS = 0x4D41534B


class CropCollate:
    """Collate samples of `MultiCropDataset` and mask their global crops.

    Masks are drawn for the batch of all processes, so that n processes with batch B train like one with n B. The
    iteration follows from the samples' indices, which `GlobalBatchSampler` numbers. Construct it after
    torch.distributed is initialised: a loader's workers have no process group.

    Args:
        seed: seed for the masks.
        patch_size: side of a patch in pixels.
        mask_probability, mask_ratio, circular_shift: settings of the masks, see `draw_masks`.
        masks_per_process: whether to draw masks separately for each process's batch, as the official training does.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        patch_size: int = 16,
        mask_probability: float = 0.5,
        mask_ratio: Sequence[float] = (0.1, 0.5),
        circular_shift: bool = False,
        masks_per_process: bool = False,
    ) -> None:
        self.seed, self.patch_size = seed, patch_size
        low, high = mask_ratio
        self.masking = {
            "mask_probability": mask_probability,
            "mask_ratio": (low, high),
            "circular_shift": circular_shift,
        }
        self.masks_per_process = masks_per_process
        self.rank, self.n_ranks = rank_and_size()

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the batch of `collate_crops`; for samples that are not rendered, ``unrendered`` instead of the crops.

        Raises:
            ValueError: the side of global crops is not a multiple of the patch size.
        """
        iteration = samples[0]["index"] // (len(samples) * self.n_ranks)
        stream: tuple[int, ...] = (self.seed, _MASKS, iteration)
        place = {"rank": self.rank, "n_ranks": self.n_ranks}
        if self.masks_per_process:
            stream, place = (*stream, 1 + self.rank), {}
        settings: dict[str, Any] = {"generator": np.random.default_rng(stream), **self.masking, **place}
        unrendered: list[UnrenderedSample] = [sample["unrendered"] for sample in samples if "unrendered" in sample]
        if not unrendered:
            return collate_crops(samples, grid=self._grid(samples[0]["global_crops"][0].shape[-1]), **settings)
        plan = unrendered[0].plans["global_crops"]
        masks = collate_masks(n_crops=len(plan.windows), n_samples=len(samples), grid=self._grid(plan.size), **settings)
        return {"unrendered": collate_unrendered(unrendered), **masks}

    def _grid(self, size: int) -> tuple[int, int]:
        if size % self.patch_size:
            raise ValueError(f"global crops of {size} pixels cannot be cut into patches of {self.patch_size}")
        return size // self.patch_size, size // self.patch_size
