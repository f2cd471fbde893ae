"""Images through an encoder, in batches that are filled across samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError
from .encoders import FrozenEncoder
from .store import Kind

# arrays by kind, each [n, ...], or why there are none
Encoded = Mapping[Kind, NDArray[Any]] | str


@torch.no_grad()
def encoded(
    samples: Iterable[Tensor | str], encoder: FrozenEncoder, kinds: Sequence[Kind], batch_size: int
) -> Iterator[Encoded]:
    """Each sample's arrays in order; batches are filled across samples, or cut from the slices of one.

    Args:
        samples: images [n, C, H, W] of each, or the reason why it has none, which is passed on.
        encoder: see `FrozenEncoder`.
        kinds: which of its vectors, in 16 bits.
        batch_size: images encoded at once.

    Raises:
        InputError: vectors that 16 bits cannot hold.
    """
    waiting: list[Tensor | str] = []
    n_waiting = 0
    for item in samples:
        waiting.append(item)
        n_waiting += 0 if isinstance(item, str) else len(item)
        if n_waiting >= batch_size:
            yield from _encode(waiting, encoder, kinds, batch_size)
            waiting, n_waiting = [], 0
    yield from _encode(waiting, encoder, kinds, batch_size)


def _encode(
    waiting: Sequence[Tensor | str], encoder: FrozenEncoder, kinds: Sequence[Kind], batch_size: int
) -> Iterator[Encoded]:
    readable = [item for item in waiting if not isinstance(item, str)]
    arrays: dict[Kind, list[NDArray[np.float16]]] = {kind: [] for kind in kinds}
    for images in torch.cat(readable).split(batch_size) if readable else ():
        made = _made(images, encoder, kinds)
        for kind in kinds:
            halves = made[kind].half()
            if not bool(halves.isfinite().all()):
                raise InputError(
                    f"{encoder.name}: gives NaN or numbers beyond 65,504, which embeddings of 16 bits cannot hold. "
                    "Check its weights; if it runs in bfloat16, let it run in fp32."
                )
            arrays[kind].append(halves.cpu().numpy())
    whole = {kind: np.concatenate(parts) for kind, parts in arrays.items()} if readable else {}
    start = 0
    for item in waiting:
        if isinstance(item, str):
            yield item
        else:
            yield {kind: whole[kind][start : start + len(item)] for kind in kinds}
            start += len(item)


def _made(images: Tensor, encoder: FrozenEncoder, kinds: Sequence[Kind]) -> dict[Kind, Tensor]:
    made: dict[Kind, Tensor] = {"levels": encoder.levels(images)} if "levels" in kinds else {}
    if set(kinds) != {"levels"}:
        cls, patches = encoder.encode(images)
        made |= {"cls": cls, "mean_patch": patches.float().mean(1), "patches": patches}
    return made
