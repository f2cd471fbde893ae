"""Cases whose maps tell, or do not tell, which class a patch is of."""

import numpy as np

from meddino_components.probing.segmentation.label_store import CaseLabels
from meddino_components.probing.segmentation.map_crops import MappedCase

PATCH = 8
SIDE = 6  # patches


def planted_case(number, *, planted=True, slices=7, classes=3, channels=8):
    """Rectangles of whole patches; channel k is high where class k is, or anywhere."""
    rng = np.random.default_rng(number)
    of_patches = np.zeros((slices, SIDE, SIDE), np.uint8)
    for k in range(1, classes):
        row, column, first = rng.integers(0, SIDE - 2), rng.integers(0, SIDE - 2), rng.integers(0, slices - 4)
        of_patches[first : first + 4, row : row + 3, column : column + 2] = k
    told = of_patches if planted else rng.permutation(of_patches.ravel()).reshape(of_patches.shape)
    maps = rng.normal(0, 0.3, (slices, 2, SIDE * SIDE, channels))
    for k in range(classes):
        maps[:, 1, :, k] += 2 * (told.reshape(slices, -1) == k)
    labels = of_patches.repeat(PATCH, 1).repeat(PATCH, 2)
    present = np.stack([np.bincount(s.ravel(), minlength=256) > 0 for s in labels])
    stored = CaseLabels(f"key{number}", labels, labels, present, (1.0, 1.0, 2.0))
    maps = maps.astype(np.float16)
    return MappedCase(f"case{number}", f"patient{number}", lambda: maps, stored)
