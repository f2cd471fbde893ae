"""Draw training slices from cached volumes, as a pure function of seed and sample index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose
from monai.utils import convert_to_tensor
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import Dataset

from ...errors import InputError
from ..volumes.marked_background import value_outside
from ..volumes.partial_labels import annotated_labels, numbered_names
from .volume_cache import CachedCase, VolumeCache


class SliceDataset(Dataset[dict[str, Tensor]]):
    """Random slices with foreground oversampling, then augmentation.

    Sample i depends only on ``seed`` and i: it does not matter which process or worker draws it, what was drawn before,
    or how often training was resumed.

    If ``partial`` is true (a case says which classes were annotated, or has voxels that nobody annotated), each sample
    has an item ``annotated``, boolean [K] by label, see `annotated_labels`.

    Args:
        data: list of cases, see `VolumeCache`.
        preprocessing: deterministic transforms of whole volumes, see `VolumeCache`.
        transform: random transforms of a slice, with ``image`` [C, h, w] and ``label`` [1, h, w]; they bring the slice
            to ``roi_size``.
        roi_size: rows and columns that the network sees.
        cache_dir: folder for the preprocessed volumes.
        seed: seed of all samples.
        foreground_fraction: share of samples centred near a voxel of a class drawn evenly among those of the case.
        margin: factor by which the slice passed to ``transform`` is larger than ``roi_size``, so that rotation and zoom
            leave few empty corners; nnU-Net's by default.
        context_slices: number of slices as channels, 1 or 3 (previous, current and next slice, "2.5D").
        background: value of the image outside the patient, if the data set marks it; it decides the padding of slices
            smaller than a window, see `value_outside`.
        num_classes: number of classes, see `VolumeCache`.
        num_workers: number of processes that fill the cache.
        label_names: names by label, required if a case has ``annotated``; in a list the background comes first.

    Raises:
        InputError: there are no cases, or ``annotated`` of a case is not as `annotated_labels` expects.
    """

    def __init__(
        self,
        *,
        data: Sequence[Mapping[str, Any]],
        preprocessing: Compose,
        transform: Compose,
        roi_size: Sequence[int],
        cache_dir: str | Path,
        seed: int = 0,
        foreground_fraction: float = 0.33,
        margin: float = 1 / 0.85,
        context_slices: int = 1,
        background: float | None = None,
        num_classes: int | None = None,
        num_workers: int = 0,
        label_names: Sequence[str] | Mapping[int, str] = (),
    ) -> None:
        if not data:
            raise InputError("the training datalist is empty: check dataset_dir, fold and modality")
        if context_slices not in (1, 3):
            raise ValueError(f"context_slices must be 1 or 3, got {context_slices}")
        self.data = data
        n_labels = num_classes or 1 + max(numbered_names(label_names), default=0)
        self._all = torch.ones(n_labels, dtype=torch.bool)
        # before the cache is filled, which takes long
        self._annotated = [annotated_labels(case, label_names, n_labels) for case in data]
        self.volumes = VolumeCache(
            data=data,
            preprocessing=preprocessing,
            cache_dir=cache_dir,
            num_classes=num_classes,
            num_workers=num_workers,
        )
        self.transform, self.seed = transform, seed
        self.roi_size = [int(side) for side in roi_size]
        self.margins = [int(np.ceil(side * (margin - 1) / 2)) for side in roi_size]
        self.foreground_fraction, self.context_slices = foreground_fraction, context_slices
        self.outside = value_outside(background)
        self.partial = any(mask is not None for mask in self._annotated) or self.volumes.has_ignored_voxels

    def __len__(self) -> int:
        """Return the number of cases; larger indices are valid, too, as the sampler is unbounded."""
        return len(self.data)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.seed, index))
        number = int(rng.integers(len(self.volumes)))
        case = self.volumes[number]
        slice_index, centre = self._draw_place(case, rng)
        image, label = self._read(case, slice_index, centre)
        self.transform.set_random_state(seed=int(rng.integers(2**31)))
        sample = self.transform({"image": image, "label": label})
        # plain tensors: training does not use the affine of a slice
        tensors = {key: convert_to_tensor(sample[key], track_meta=False).float() for key in ("image", "label")}
        if self.partial:
            mask = self._annotated[number]
            tensors["annotated"] = self._all if mask is None else mask
        return tensors

    def _draw_place(self, case: CachedCase, rng: np.random.Generator) -> tuple[int, tuple[int, int]]:
        """Draw a slice number and the patch's centre (row, column)."""
        voxel = case.draw_foreground(rng) if rng.random() < self.foreground_fraction else None
        if voxel is not None:
            slice_index, row, column = (int(index) for index in voxel)
            jitter = [int(rng.integers(-side // 4, side // 4 + 1)) for side in self.roi_size]
            return slice_index, (row + jitter[0], column + jitter[1])
        label = case.label
        n_slices, *plane = label.shape
        row, column = (int(rng.integers(side)) for side in plane)
        return int(rng.integers(n_slices)), (row, column)

    def _read(self, case: CachedCase, slice_index: int, centre: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Read image [C, h, w] float32 and label [1, h, w] uint8: the network's window at the centre, with its margin.

        The window stays inside the slice if it fits, as sliding windows do at inference, so that training shows organs
        at the same positions in a window.
        """
        image, label = case.image, case.label
        reach = self.context_slices // 2
        neighbours = np.clip(np.arange(slice_index - reach, slice_index + reach + 1), 0, len(image) - 1)
        window: list[slice] = []
        edges: list[int] = []
        for middle, size, margin, side in zip(centre, self.roi_size, self.margins, label.shape[1:], strict=True):
            start = min(max(middle - size // 2, 0), side - size) if side > size else -((size - side) // 2)
            first, last = start - margin, start + size + margin
            window.append(slice(max(first, 0), min(last, side)))
            # torch.nn.functional.pad starts with the last axis
            edges = [max(-first, 0), max(last - side, 0), *edges]
        rows, columns = window
        pixels = torch.from_numpy(np.concatenate([image[k, :, rows, columns] for k in neighbours])).float()
        classes = torch.from_numpy(np.array(label[slice_index, rows, columns]))[None]
        if any(edges):
            pixels, classes = pad(pixels, edges, value=self.outside), pad(classes, edges)
        return pixels, classes
