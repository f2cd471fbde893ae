"""The tiles of a slide through an encoder, however many there are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..data.image_sets import Origins, Slide, Tiling, slide_of
from ..errors import InputError
from .encoder_pass import Encoded, encoded
from .encoders import FrozenEncoder
from .prepared_images import EncoderRange
from .store import Kind


class PreparedTiles(Dataset[Tensor | str]):
    """Tiles of one slide as `PreparedImages` gives pictures, [1, 3, size_px, size_px], or why one cannot be read.

    Args:
        slide: read where it is asked for, so that processes open it on their own.
        origins: origins of its tiles, [n, 2].
        encoder: whose range of intensities is wanted.
        size_px: H and W.
    """

    def __init__(self, slide: Slide, origins: Origins, *, encoder: FrozenEncoder, size_px: int) -> None:
        self.slide, self.origins, self.size_px = slide, origins, size_px
        self.range = EncoderRange.of(encoder)

    def __len__(self) -> int:
        return len(self.origins)

    def __getitem__(self, index: int) -> Tensor | str:
        try:
            pixels = torch.from_numpy(self.slide.read_tile(self.origins[index]))
        except InputError as error:
            # see `PreparedImages`
            if isinstance(error.__cause__, ImportError):
                raise
            return str(error)
        return self.range.of_picture(pixels, size_px=self.size_px)


def encode_slide(
    path: str,
    encoder: FrozenEncoder,
    *,
    tiling: Tiling,
    size_px: int,
    kinds: Sequence[Kind],
    batch_size: int,
    num_workers: int,
) -> Encoded:
    """Arrays of a slide's tiles and their "origin", or the reason why it has none; a batch of tiles is in memory.

    A tile that cannot be read is one of a damaged slide, and leaves out the slide.

    Args:
        path: see `slide_of`.
        encoder: see `FrozenEncoder`.
        tiling: see `Tiling`.
        size_px: side of a tile as the encoder sees it.
        kinds: see `Embeddings`.
        batch_size: tiles encoded at once.
        num_workers: processes that read tiles.
    """
    slide = slide_of(path, tiling)
    try:
        origins = slide.find_tiles()
    except InputError as error:
        if isinstance(error.__cause__, ImportError):
            raise
        return str(error)
    loader = DataLoader(
        PreparedTiles(slide, origins, encoder=encoder, size_px=size_px),
        batch_size=None,
        num_workers=num_workers,
        # as in `embed`
        generator=torch.Generator(),
    )
    tiles = []
    for tile in encoded(loader, encoder, kinds, batch_size):
        if isinstance(tile, str):
            return tile
        tiles.append(tile)
    return {**{kind: np.concatenate([tile[kind] for tile in tiles]) for kind in kinds}, "origin": origins}
