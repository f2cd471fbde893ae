"""Which patches of which images are hidden from the student.

A batch has the same numbers of masked patches every time, only dealt to other images. What is unusual: each image has a
random stream of its own, so that a process draws the masks of its images alone and all processes agree on the whole.

Shapes: H, W patches along each axis, P = H * W.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

# a block covers at least so many patches and is at most so much longer than wide (or wider than long)
_MIN_BLOCK = 4
_MAX_ASPECT = 1 / 0.3
# of the image, which no block exceeds
_MAX_BLOCK_SHARE = 0.5
# blocks that are tried in a row before single patches fill up
_ATTEMPTS = 10


def masked_counts(
    *, n_images: int, grid: tuple[int, int], mask_probability: float, mask_ratio: tuple[float, float]
) -> list[int]:
    """How many patches are masked in the images of a batch, ascending; the same for every batch.

    A share ``mask_probability`` of the images is masked, at ratios that step evenly through ``mask_ratio``.

    Raises:
        ValueError: a probability or ratio outside 0 to 1, or ratios in the wrong order.
    """
    low, high = mask_ratio
    if not (0 <= mask_probability <= 1 and 0 <= low <= high <= 1):
        raise ValueError(
            f"mask_probability {mask_probability} and mask_ratio {list(mask_ratio)} must lie within 0 and 1, the lower "
            "ratio first"
        )
    n_masked = int(n_images * mask_probability)
    # torch's own fp32 steps: those of numpy, or in fp64, round some counts to the next whole number
    ratios = torch.linspace(low, high, n_masked + 1)[1:]
    return [0] * (n_images - n_masked) + (grid[0] * grid[1] * ratios).int().tolist()


def draw_masks(
    generator: np.random.Generator,
    *,
    n_images: int,
    grid: tuple[int, int],
    mask_probability: float,
    mask_ratio: tuple[float, float],
    circular_shift: bool = False,
    images: Sequence[int] | None = None,
) -> NDArray[np.bool_]:
    """Masks of a batch.

    Args:
        generator: decides everything; it advances by the same amount whatever ``images`` is.
        n_images: images of the batch, over all processes if they are to share it.
        grid: patches (H, W).
        mask_probability: share of the images that is masked.
        mask_ratio: lowest (excluded) and highest (included) share of an image's patches.
        circular_shift: shift every mask round the edges by a random offset, so that its centre is not masked most.
        images: numbers of the images whose masks are wanted; by default all.

    Returns:
        [images, P], True where masked.

    Reference: Zhou et al., iBOT, arXiv 2111.07832; golden statistics of the official DINOv3 code.
    """
    counts = masked_counts(n_images=n_images, grid=grid, mask_probability=mask_probability, mask_ratio=mask_ratio)
    dealt = generator.permutation(counts)
    seeds = generator.integers(2**63, size=n_images)
    images = range(n_images) if images is None else images
    masks = np.zeros((len(images), *grid), dtype=np.bool_)
    for mask, image in zip(masks, images, strict=True):
        of_image = np.random.default_rng(seeds[image])
        mask[:] = draw_block_mask(of_image, grid=grid, n_masked=int(dealt[image]))
        if circular_shift:
            mask[:] = np.roll(mask, of_image.integers(grid), axis=(0, 1))
    return masks.reshape(len(images), -1)


def draw_block_mask(generator: np.random.Generator, *, grid: tuple[int, int], n_masked: int) -> NDArray[np.bool_]:
    """One mask [H, W] of exactly ``n_masked`` patches: rectangles of random area and aspect, which may overlap.

    A rectangle is taken if it adds patches, and not more than are missing. When none of several in a row is, patches
    drawn one by one make up the number.

    Reference: Bao et al., BEiT, arXiv 2106.08254, algorithm 1.
    """
    height, width = grid
    if n_masked > height * width:
        raise ValueError(f"cannot mask {n_masked} patches of {height} x {width}")
    mask = np.zeros(grid, dtype=np.bool_)
    missing = n_masked
    while missing > 0:
        added = _add_block(mask, generator, min(missing, _MAX_BLOCK_SHARE * height * width), missing)
        if added == 0:
            break
        missing -= added
    mask.flat[generator.choice(np.flatnonzero(~mask), size=missing, replace=False)] = True
    return mask


def _add_block(mask: NDArray[np.bool_], generator: np.random.Generator, max_area: float, max_added: int) -> int:
    """Mask one more rectangle and return how many patches it added; 0 if no attempt fitted."""
    height, width = mask.shape
    for _ in range(_ATTEMPTS):
        # near the end the range of areas is turned round, which official masks show too
        area = _MIN_BLOCK + (max_area - _MIN_BLOCK) * generator.random()
        aspect = _MAX_ASPECT ** (2 * generator.random() - 1)
        h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if h >= height or w >= width:
            continue
        top, left = int(generator.integers(height - h + 1)), int(generator.integers(width - w + 1))
        block = mask[top : top + h, left : left + w]
        added = block.size - int(np.count_nonzero(block))
        if 0 < added <= max_added:
            block[:] = True
            return added
    return 0
