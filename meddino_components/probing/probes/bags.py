"""Samples of many items, such as slices or tiles, read from a store one sample at a time.

Shapes: N samples, n items of one of them, D width, K classes or labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...embeddings import Embeddings, Kind


@dataclass(frozen=True, kw_only=True)
class LabelledBags:
    """Samples of a store as bags, each read when it is needed.

    Attributes:
        embeddings: embeddings of all samples.
        kind: which vector of each item is read.
        samples: numbers of the samples used, [N]; each has at least one item.
        targets: labels: classes [N], or 0 and 1 [N, K].
    """

    embeddings: Embeddings
    kind: Kind
    samples: NDArray[np.int64]
    targets: Tensor

    def __len__(self) -> int:
        return len(self.samples)

    def width(self) -> int:
        """D."""
        return int(self.embeddings.items(int(self.samples[0]), self.kind).shape[-1])

    def bag(self, number: int, items: NDArray[np.int64] | None = None) -> Tensor:
        """All items, or the given ones, of the sample at this position, [n, D] float32."""
        found = self.embeddings.items(int(self.samples[number]), self.kind)
        return torch.from_numpy(np.asarray(found if items is None else found[items], dtype=np.float32))
