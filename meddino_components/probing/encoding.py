"""Settings for computing embeddings and maps, and the folder that keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.image_sets import ImageSet, Selection, Split
from ..embeddings import Embeddings, FrozenEncoder, Kind, embed, embed_image_set


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """Settings of the pass through the encoders; they change no score.

    Attributes:
        cache_dir: folder for embeddings, maps and labels.
        batch_size: number of images encoded at once.
        num_workers: number of processes that read images.
        progress: whether to show progress bars.
    """

    cache_dir: str | Path
    batch_size: int = 32
    num_workers: int = 0
    progress: bool = True

    def embed(self, image_set: ImageSet, encoder: FrozenEncoder, *, size_px: int) -> dict[Split, Embeddings]:
        """Embeddings of each split, see `embed_image_set`."""
        return embed_image_set(image_set, encoder, size_px=size_px, **vars(self))

    def map(self, samples: Selection, encoder: FrozenEncoder, *, size_px: int, kinds: Sequence[Kind]) -> Embeddings:
        """Embeddings of these kinds, see `embed`."""
        return embed(samples, encoder, size_px=size_px, kinds=kinds, **vars(self))
