"""Draw the patches that are masked for the student.

Every batch has the same numbers of masked patches, only assigned to different images. Each image has its own random
stream, so that a process only draws the masks of its own images, and all processes agree on the whole.

Shapes: H, W patches along each axis, P = H * W.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

# smallest number of patches in a block, and largest ratio of its sides
_MIN_BLOCK = 4
_MAX_ASPECT = 1 / 0.3
# largest share of the image in one block
_MAX_BLOCK_SHARE = 0.5
# failed attempts in a row before single patches are added
_ATTEMPTS = 10


def masked_counts(
    *, n_images: int, grid: tuple[int, int], mask_probability: float, mask_ratio: tuple[float, float]
) -> list[int]:
    """Return the numbers of masked patches in the images of a batch, ascending; the same for every batch.

    A share ``mask_probability`` of the images is masked, with ratios evenly spaced over ``mask_ratio``.

    Raises:
        ValueError: a probability or ratio is outside 0 to 1, or ratios are in the wrong order.
    """
    low, high = mask_ratio
    if not (0 <= mask_probability <= 1 and 0 <= low <= high <= 1):
        raise ValueError(
            f"mask_probability {mask_probability} and mask_ratio {list(mask_ratio)} must be between 0 and 1, the "
            f"lower ratio first"
        )
    n_masked = int(n_images * mask_probability)
    # steps of torch in fp32: steps of numpy or in fp64 would round some counts differently
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
    """Draw the masks of a batch.

    Args:
        generator: random generator; it advances by the same amount whatever ``images`` is.
        n_images: number of images in the batch, over all processes if they share it.
        grid: numbers of patches (H, W).
        mask_probability: share of images that are masked.
        mask_ratio: lowest (excluded) and highest (included) share of masked patches in an image.
        circular_shift: whether to shift every mask circularly by a random offset, so that the centre is not masked most
            often.
        images: indices of the images whose masks to return; by default all.

    Returns:
        Masks [images, P], True where masked.

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
    """Draw a mask [H, W] of exactly ``n_masked`` patches: rectangles of random area and aspect, which may overlap.

    A rectangle is used if it adds patches, but not more than are missing. After several failed attempts in a row,
    single random patches complete the number.

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
        # near the end the range of areas is reversed, as in official masks
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
