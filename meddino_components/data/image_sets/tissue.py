"""Find the stained section on a slide."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from ...project import extra

# grey levels; below it is glass, whose compressed white varies by less. Otsu's threshold alone would part a slide
# without tissue, too
_LOWEST_CHROMA = 15


def tissue_mask(overview: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Pixels whose colour is stronger than Otsu's threshold; white glass, grey dust and black edges have none.

    Chroma is the highest less the lowest of red, green and blue, and not divided by brightness, as saturation is: the
    noise of black pixels would be saturated. Ink is taken for tissue.

    Args:
        overview: [H, W, 3], some microns per pixel.

    Returns:
        [H, W].

    Raises:
        InputError: scikit-image is not installed.

    Reference: Otsu, A threshold selection method from gray-level histograms, IEEE Trans. SMC 1979.
    """
    try:
        from skimage.filters import threshold_otsu
    except ImportError as error:
        raise InputError(f"finding tissue needs scikit-image: {extra('slides')}") from error
    chroma: npt.NDArray[Any] = overview.max(axis=-1) - overview.min(axis=-1)
    return chroma > max(float(threshold_otsu(chroma)), _LOWEST_CHROMA)
