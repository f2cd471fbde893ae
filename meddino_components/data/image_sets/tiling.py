"""Settings for cutting a slide into tiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...errors import InputError

# of each tile where it came from, [n, 2]: x and y of its upper left corner in pixels of the slide's highest level; of a
# folder the number of its picture in the order of names, and 0
Origins = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """Square tiles side by side where there is tissue; of a folder of tiles, ``max_tiles`` and ``seed`` alone count.

    Attributes:
        tile_px: side of a tile in pixels at ``mpp``.
        mpp: microns per pixel that tiles are brought to.
        unstated_mpp: microns per pixel of the highest level of slides that do not state it.
        tissue_share: share of its area on which a tile has to show tissue.
        max_tiles: so many of a slide's tiles are drawn; None: all.
        seed: seed for the draw, which depends only on the slide's number of tiles.

    Raises:
        InputError: a number that is not positive, or a share above 1.
    """

    tile_px: int = 224
    mpp: float = 0.5
    unstated_mpp: float | None = None
    tissue_share: float = 0.25
    max_tiles: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("tile_px", "mpp", "unstated_mpp", "tissue_share", "max_tiles"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"{name} is {value!r}; expected a positive number.")
        if self.tissue_share > 1:
            raise InputError(f"tissue_share is {self.tissue_share!r}; expected a share of a tile's area, up to 1.")

    def drawn(self, origins: Origins) -> Origins:
        """All tiles of a slide, or as many as are wanted of them, in their order."""
        if self.max_tiles is None or len(origins) <= self.max_tiles:
            return origins
        chosen = np.random.default_rng(self.seed).choice(len(origins), self.max_tiles, replace=False)
        return origins[np.sort(chosen)]
