"""Draw samples for self-distillation: several crops of one slice, as a pure function of seed and sample index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from ...errors import InputError
from ...processes import rank_and_size
from ..slice_store.store import SliceStore
from .distortions import CropDistortions
from .rendering import CropPlan, UnrenderedSample, render_sample
from .slice_order import shuffled
from .store_intensity import StoreIntensity
from .windows import draw_windows

# separates the random stream of sizes from that of samples
_SIZES = 0x53495A45


class MultiCropDataset(Dataset[dict[str, Any]]):
    """Random global crops, local crops and gram teacher crops from the slices of a store.

    Sample i depends only on ``seed`` and i: it does not matter which process or worker draws it, what was drawn before,
    or how often training was resumed. Every epoch shows each slice once, in a new order. A gram teacher crop shows the
    same window as the global crop with the same number, flipped in the same way, without distortions.

    Several sizes mix resolutions: sizes at the same position in the lists belong together, and each iteration draws a
    position.

    Args:
        store: slices in 16-bit values.
        seed: seed for order, windows, flips, distortions and sizes.
        global_crops_size: side of global crops in pixels, or several.
        n_global_crops: number of global crops per sample.
        local_crops_size: side of local crops in pixels, or as many as ``global_crops_size``.
        n_local_crops: number of local crops per sample.
        gram_teacher_crops_size: side of gram teacher crops in pixels, or as many as ``global_crops_size``; None for
            none.
        size_ratios: relative frequency of each position; by default all equal.
        batch_size: number of samples per process and iteration, as in the sampler. Construct the data set after
            torch.distributed is initialised: all processes use the same size in an iteration.
        global_crops_scale: smallest and largest share of the slice's area in a global crop.
        local_crops_scale: smallest and largest share of the slice's area in a local crop.
        flip_probability: probability of swapping left and right.
        distortions: distortions of global and local crops; None for none.
        render: whether to render crops here; False returns what `render_batch` needs to render them on a GPU.

    Raises:
        InputError: the store is empty.
        ValueError: there are different numbers of sizes and ratios, or values are out of range.

    Reference: Caron et al., SwAV, arXiv 2006.09882, section 3.3 (multi-crop); Simeoni et al., DINOv3, arXiv
    2508.10104, section 5.1 (mixed resolutions).
    """

    def __init__(
        self,
        *,
        store: SliceStore,
        seed: int = 0,
        global_crops_size: int | Sequence[int] = 256,
        n_global_crops: int = 2,
        local_crops_size: int | Sequence[int] = 112,
        n_local_crops: int = 8,
        gram_teacher_crops_size: int | Sequence[int] | None = None,
        size_ratios: Sequence[float] | None = None,
        batch_size: int = 1,
        global_crops_scale: Sequence[float] = (0.32, 1.0),
        local_crops_scale: Sequence[float] = (0.05, 0.32),
        flip_probability: float = 0.5,
        distortions: CropDistortions | None = None,
        render: bool = True,
    ) -> None:
        if len(store) == 0:
            raise InputError(
                f"{getattr(store, 'url', 'the slice store')}: contains no slices. Curate some scans first."
            )
        if n_global_crops < 1 or n_local_crops < 0 or batch_size < 1 or not 0 <= flip_probability <= 1:
            raise ValueError(
                "expected n_global_crops and batch_size from 1, n_local_crops from 0 and flip_probability within 0 and "
                f"1, got {n_global_crops}, {batch_size}, {n_local_crops} and {flip_probability}"
            )
        self.store, self.seed, self.render = store, seed, render
        self.n_global_crops, self.n_local_crops = n_global_crops, n_local_crops
        self.sizes = _parse_sizes(global_crops_size, local_crops_size, gram_teacher_crops_size)
        self.size_ratios = _parse_ratios(size_ratios, len(self.sizes))
        self.global_batch_size = batch_size * rank_and_size()[1]
        self.global_crops_scale = _parse_scale("global_crops_scale", global_crops_scale)
        self.local_crops_scale = _parse_scale("local_crops_scale", local_crops_scale)
        self.flip_probability, self.distortions = flip_probability, distortions
        self.intensity = StoreIntensity(store=store)

    def __len__(self) -> int:
        """Return the number of slices in an epoch; larger indices are valid, too, as the sampler is unbounded."""
        return len(self.store)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return a sample.

        Returns:
            ``index``, and lists of crops [1, S, S] fp32: ``global_crops``, ``local_crops`` if any and
            ``gram_teacher_crops`` if requested; with ``render=False``, ``unrendered`` instead of them.

        Raises:
            InputError: the slice cannot be read.
        """
        number = shuffled(index, n_items=len(self.store), seed=self.seed)
        pixels = self.store.read(number)
        plans = self.plan(index, shape=pixels.shape, spacing_mm=self.store.spacing_mm(number)[:2])
        sample = UnrenderedSample(pixels=pixels, normalization=self.intensity(number), plans=plans)
        return {"index": index} | (render_sample(sample) if self.render else {"unrendered": sample})

    def plan(self, index: int, *, shape: tuple[int, int], spacing_mm: tuple[float, float]) -> dict[str, CropPlan]:
        """Draw all random values of sample ``index`` for a slice of this shape and in-plane spacing."""
        rng = np.random.default_rng((self.seed, index))
        global_size, local_size, gram_size = self._sizes_of(index // self.global_batch_size)
        plans = {}
        for kind, size, n_crops, scale in (
            ("global_crops", global_size, self.n_global_crops, self.global_crops_scale),
            ("local_crops", local_size, self.n_local_crops, self.local_crops_scale),
        ):
            if n_crops:
                plans[kind] = CropPlan(
                    size=size,
                    windows=draw_windows(rng, n_crops=n_crops, shape=shape, spacing_mm=spacing_mm, scale=scale),
                    flips=rng.random(n_crops) < self.flip_probability,
                    distortions=None if self.distortions is None else self.distortions.draw(rng, n_crops),
                )
        if gram_size is not None:
            shown = plans["global_crops"]
            plans["gram_teacher_crops"] = CropPlan(size=gram_size, windows=shown.windows, flips=shown.flips)
        return plans

    def _sizes_of(self, iteration: int) -> tuple[int, int, int | None]:
        if len(self.sizes) == 1:
            return self.sizes[0]
        rng = np.random.default_rng((self.seed, _SIZES, iteration))
        return self.sizes[rng.choice(len(self.sizes), p=self.size_ratios)]


def _parse_sizes(
    of_global: int | Sequence[int], of_local: int | Sequence[int], of_gram: int | Sequence[int] | None
) -> list[tuple[int, int, int | None]]:
    n = 1 if isinstance(of_global, int) else len(of_global)
    columns = [sizes if isinstance(sizes, Sequence) else [sizes] * n for sizes in (of_global, of_local, of_gram)]
    if n == 0 or any(len(column) != n for column in columns):
        raise ValueError(
            f"there must be equally many crop sizes of each kind, got {of_global}, {of_local} and {of_gram}"
        )
    if any(size is not None and size < 1 for column in columns for size in column):
        raise ValueError(f"crop sizes must be at least 1, got {of_global}, {of_local} and {of_gram}")
    return list(zip(*columns, strict=True))


def _parse_ratios(ratios: Sequence[float] | None, n: int) -> list[float]:
    ratios = [1.0] * n if ratios is None else list(ratios)
    if len(ratios) != n or min(ratios) < 0 or sum(ratios) <= 0:
        raise ValueError(f"size_ratios must be {n} numbers from 0, one for each size, got {ratios}")
    return [ratio / sum(ratios) for ratio in ratios]


def _parse_scale(name: str, scale: Sequence[float]) -> tuple[float, float]:
    low, high = scale
    if not 0 < low <= high <= 1:
        raise ValueError(f"{name} must be two shares between 0 and 1, the smaller first, got {list(scale)}")
    return low, high
