"""Collate samples of several crops into one batch, with masks.

Shapes: B images of this process, G global crops, L local crops, P patches of a global crop, M masked patches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import default_collate

from .masking import draw_masks, masked_counts

_CROPS = ("global_crops", "local_crops", "gram_teacher_crops")


def collate_crops(
    samples: Sequence[dict[str, Any]],
    *,
    generator: np.random.Generator,
    grid: tuple[int, int],
    mask_probability: float,
    mask_ratio: tuple[float, float],
    circular_shift: bool = False,
    rank: int = 0,
    n_ranks: int = 1,
) -> dict[str, Any]:
    """Stack crops crop by crop (crop 0 of all images, crop 1 of all images, ...) and mask the global ones.

    Args:
        samples: B dicts with ``global_crops``, a list of G tensors [C, H, W], and if present lists ``local_crops`` and
            ``gram_teacher_crops``. Other keys are left out.
        generator, grid, mask_probability, mask_ratio, circular_shift, rank, n_ranks: settings of the masks, see
            `collate_masks`.

    Returns:
        ``global_crops`` [G B, C, H, W], the other kinds of crops likewise, and the result of `collate_masks`.
    """
    masks = collate_masks(
        n_crops=len(samples[0]["global_crops"]),
        n_samples=len(samples),
        generator=generator,
        grid=grid,
        mask_probability=mask_probability,
        mask_ratio=mask_ratio,
        circular_shift=circular_shift,
        rank=rank,
        n_ranks=n_ranks,
    )
    return {**{kind: _stack(samples, kind) for kind in _CROPS if samples[0].get(kind)}, **masks}


def collate_masks(
    *,
    n_crops: int,
    n_samples: int,
    generator: np.random.Generator,
    grid: tuple[int, int],
    mask_probability: float,
    mask_ratio: tuple[float, float],
    circular_shift: bool = False,
    rank: int = 0,
    n_ranks: int = 1,
) -> dict[str, Any]:
    """Return the masks of a batch's global crops and what the losses need to know about them.

    Masks are drawn for the batch of all processes, and each process uses those of its images: if every process creates
    its generator from (seed, iteration), n processes with batch B get the same masks as one with n B. The official
    training draws separately for each process; set ``n_ranks=1`` and a different generator per process for that.

    Args:
        n_crops: number of global crops per image, G.
        n_samples: number of images of this process, B.
        generator: random generator for the masks.
        grid: numbers of patches of a global crop, (rows, columns).
        mask_probability, mask_ratio, circular_shift: settings of the masks, see `draw_masks`.
        rank: number of this process.
        n_ranks: number of processes that share the batch.

    Returns:
        ``masks`` [G B, P], True where masked; ``mask_indices`` [M], indices of the masked patches in the flattened
        masks; ``masks_weight`` [M], 1 / (masked patches of the same crop); ``n_masked_patches``, M; ``upperbound``, the
        largest M that any process may get; ``n_global_crops``, G.
    """
    n_images = n_crops * n_samples * n_ranks
    settings: dict[str, Any] = {"grid": grid, "mask_probability": mask_probability, "mask_ratio": mask_ratio}
    own = [
        (crop * n_ranks + rank) * n_samples + sample  # index in the crop-major batch of all processes
        for crop in range(n_crops)
        for sample in range(n_samples)
    ]
    masks = torch.from_numpy(
        draw_masks(generator, n_images=n_images, circular_shift=circular_shift, images=own, **settings)
    )
    mask_indices = masks.flatten().nonzero().flatten()
    return {
        "masks": masks,
        "mask_indices": mask_indices,
        "masks_weight": (1 / masks.sum(1).clamp(min=1))[mask_indices // masks.shape[1]],
        "n_masked_patches": len(mask_indices),
        "upperbound": sum(masked_counts(n_images=n_images, **settings)[-len(own) :]),
        "n_global_crops": n_crops,
    }


def _stack(samples: Sequence[dict[str, Any]], kind: str) -> torch.Tensor:
    """Stack crops into [crops * B, ...], crop by crop."""
    n_crops = {len(sample[kind]) for sample in samples}
    if len(n_crops) > 1:
        raise ValueError(f"samples of a batch must have the same number of {kind}, got {sorted(n_crops)}")
    # in a worker, torch's own collate function stacks in shared memory, which saves a copy
    stacked: torch.Tensor = default_collate(
        [crop for crops in zip(*(sample[kind] for sample in samples), strict=True) for crop in crops]
    )
    return stacked
