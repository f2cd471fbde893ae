"""Preprocessed volumes on disk, readable slice by slice.

MONAI's `PersistentDataset` reads a whole volume for each item; training on slices needs one slice of one volume at a
time. Each case becomes a folder of memory-mapped arrays, keyed by the case's files and the preprocessing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from monai.data.utils import pickle_hashing
from monai.transforms import Compose
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from ..errors import InputError
from ..files import flush, temporary_beside
from ..processes import rank_and_size
from .case_files import case_files

# bump when the layout of the folder changes
_LAYOUT = 1


@dataclass(frozen=True)
class CachedCase:
    """A preprocessed case: ``image`` [D, C, H, W] float16, ``label`` [D, H, W] uint8, memory-mapped at each access."""

    folder: Path

    @property
    def image(self) -> NDArray[np.float16]:
        return np.load(self.folder / "image.npy", mmap_mode="r")

    @property
    def label(self) -> NDArray[np.uint8]:
        return np.load(self.folder / "label.npy", mmap_mode="r")

    def draw_foreground(self, rng: np.random.Generator) -> NDArray[np.int32] | None:
        """A voxel (slice, row, column) of a class drawn evenly among those that occur; None without any."""
        with np.load(self.folder / "foreground.npz") as arrays:
            if not arrays.files:
                return None
            voxels = arrays[sorted(arrays.files, key=int)[rng.integers(len(arrays.files))]]
        return voxels[rng.integers(len(voxels))]


class VolumeCache(Dataset[CachedCase]):
    """Run the preprocessing of each case once and keep its result on disk.

    Args:
        data: cases with ``image`` and ``label`` paths.
        preprocessing: deterministic transforms to ``image`` [C, H, W, D] and ``label`` [1, H, W, D].
        cache_dir: folder of the cache; it may be shared by runs and processes.
        num_classes: classes that the labels may hold, the background included; None does not check.
        num_workers: processes that fill the cache.
        max_voxels_per_class: sample kept of each class for foreground oversampling.

    Raises:
        InputError: a label beyond ``num_classes``; from the preprocessing, for a case that cannot be used.
    """

    def __init__(
        self,
        *,
        data: Sequence[Mapping[str, Any]],
        preprocessing: Compose,
        cache_dir: str | Path,
        num_classes: int | None = None,
        num_workers: int = 0,
        max_voxels_per_class: int = 10_000,
    ) -> None:
        self.data, self.preprocessing = data, preprocessing
        self.cache_dir = Path(cache_dir)
        self.num_classes, self.max_voxels_per_class = num_classes, max_voxels_per_class
        transforms = b"".join(pickle_hashing(transform) for transform in preprocessing.transforms)
        self._recipe = hashlib.sha256(transforms).hexdigest() + f"/{_LAYOUT}/{max_voxels_per_class}"
        self._fill(num_workers)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> CachedCase:
        case = self.data[index]
        folder = self.cache_dir / self._key(case)
        if not folder.is_dir():
            self._write(case, folder)
        return CachedCase(folder)

    def _key(self, case: Mapping[str, Any]) -> str:
        files = [(path, os.stat(path).st_size, os.stat(path).st_mtime_ns) for path in case_files(case)]
        identity = json.dumps([files, case.get("modality"), self._recipe])
        return hashlib.sha256(identity.encode()).hexdigest()[:32]

    def _fill(self, num_workers: int) -> None:
        missing = [i for i, case in enumerate(self.data) if not (self.cache_dir / self._key(case)).is_dir()]
        rank, n_ranks = rank_and_size()
        mine = missing[rank::n_ranks]
        if mine:
            # a generator of its own: whether the cache is filled must not decide the weights that are drawn next
            loader = DataLoader(
                self, sampler=mine, batch_size=None, num_workers=num_workers, generator=torch.Generator()
            )
            for _ in tqdm(loader, total=len(mine), desc="caching volumes", unit="case", disable=rank > 0):
                pass
        if n_ranks > 1:
            dist.barrier()

    def _write(self, case: Mapping[str, Any], folder: Path) -> None:
        item = self.preprocessing(dict(case))
        image = np.asarray(item["image"], dtype=np.float16).transpose(3, 0, 1, 2)
        label = np.asarray(item["label"], dtype=np.uint8)[0].transpose(2, 0, 1)
        if self.num_classes is not None and label.max() >= self.num_classes:
            raise InputError(
                f"{case['label']}: holds class {label.max()}, but the network has classes 0 to {self.num_classes - 1}: "
                "correct the label map, or label_names of the data set"
            )
        self.cache_dir.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(folder)
        try:
            temporary.mkdir()
            np.save(temporary / "image.npy", np.ascontiguousarray(image))
            np.save(temporary / "label.npy", np.ascontiguousarray(label))
            np.savez(temporary / "foreground.npz", **self._sample_foreground(label))  # type: ignore[arg-type]
            for path in temporary.iterdir():
                flush(path)
            try:
                temporary.rename(folder)
            except OSError:
                if not folder.is_dir():  # otherwise another process was first, with the same content
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _sample_foreground(self, label: NDArray[np.uint8]) -> dict[str, NDArray[np.int32]]:
        rng = np.random.default_rng(0)
        sampled = {}
        for value in np.unique(label[label > 0]):
            voxels = np.argwhere(label == value).astype(np.int32)
            if len(voxels) > self.max_voxels_per_class:
                voxels = voxels[np.sort(rng.choice(len(voxels), self.max_voxels_per_class, replace=False))]
            sampled[str(value)] = voxels
        return sampled
