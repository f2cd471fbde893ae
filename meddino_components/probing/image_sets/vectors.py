"""One vector for each sample, pooled from the embeddings of its images. Shapes: N samples, D width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ...bundle.kinds import choice, read_fields
from ...embeddings import Embeddings

Vector = Literal["cls", "mean_patch"]
Pooling = Literal["mean", "max"]


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """Which vector of an image is used, and how the vectors of slices or tiles are pooled to one.

    Attributes:
        kind: vector of an image: "cls", or "mean_patch" for the mean over its patches.
        pooling: "mean" or "max" over the slices of a volume or the tiles of a slide.

    Raises:
        InputError: a value is none of these.
    """

    kind: Vector = "cls"
    pooling: Pooling = "mean"

    def __post_init__(self) -> None:
        read_fields(self, kind=choice("cls", "mean_patch"), pooling=choice("mean", "max"))

    def of(self, embeddings: Embeddings) -> Tensor:
        """One vector for each sample, [N, D] float32; zeros for samples that could not be read."""
        first = embeddings.items(int(np.argmax(embeddings.lengths)), self.kind)
        vectors = torch.zeros(len(embeddings.lengths), first.shape[-1])
        if embeddings.lengths.max() == 1:  # pictures: reading thousands one by one takes seconds
            vectors[torch.from_numpy(embeddings.lengths > 0)] = torch.from_numpy(
                embeddings.all_items(self.kind)
            ).float()
            return vectors
        for number, length in enumerate(embeddings.lengths):
            if length:
                items = torch.from_numpy(embeddings.items(number, self.kind).astype(np.float32))
                vectors[number] = items.mean(0) if self.pooling == "mean" else items.amax(0)
        return vectors
