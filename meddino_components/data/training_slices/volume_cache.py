"""Cache preprocessed volumes on disk, readable slice by slice.

MONAI's `PersistentDataset` reads a whole volume for each item, but training on slices needs one slice of one volume at
a time. Each case becomes a folder of memory-mapped arrays, keyed by the case's files and the preprocessing, so that
folds, runs and users can share it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data.utils import pickle_hashing
from monai.transforms import Compose
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from ...errors import InputError, input_error
from ...files import OutputFolder, flush, temporary_beside
from ...ignored_label import IGNORE
from ...processes import first_process_decides, on_all_processes, rank_and_size
from ..cases.case_files import case_files
from ..volumes.intensity_table import INTENSITY_TABLE
from ..volumes.stamps import file_stamp
from .cache_place import cached_bytes, check_space, gigabytes

# increase when the layout of the folder changes
_LAYOUT = 1
# increase when reading, orienting, normalising or resampling gives other voxels for the same settings
PREPROCESSING_VERSION = 2
# items of a case that are not part of its identity, except through its files
_NOT_READ = ("image", "label", "case_id", "fold")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CachedCase:
    """A preprocessed case: ``image`` [D, C, H, W] float16, ``label`` [D, H, W] uint8, memory-mapped at each access.

    Voxels of the label `IGNORE` belong to no class.
    """

    folder: Path

    @property
    def image(self) -> NDArray[np.float16]:
        return np.load(self.folder / "image.npy", mmap_mode="r")

    @property
    def label(self) -> NDArray[np.uint8]:
        return np.load(self.folder / "label.npy", mmap_mode="r")

    def labels_present(self) -> set[int]:
        """Return the labels in the label map, `IGNORE` included, without the background."""
        with np.load(self.folder / "foreground.npz") as arrays:
            return set(map(int, arrays.files))

    def draw_foreground(self, rng: np.random.Generator) -> NDArray[np.int32] | None:
        """Draw a voxel (slice, row, column) of a class drawn evenly among those present; None if there is none."""
        with np.load(self.folder / "foreground.npz") as arrays:
            classes = sorted(set(map(int, arrays.files)) - {IGNORE})
            if not classes:
                return None
            voxels = arrays[str(classes[rng.integers(len(classes))])]
        return voxels[rng.integers(len(voxels))]


class VolumeCache(Dataset[CachedCase]):
    """Run the preprocessing of each case once and store its result on disk.

    An entry is named by a hash of the case's files with their sizes and times (see `file_stamp`), the other items of
    the case, the settings of the preprocessing and the versions of its code. An entry is therefore never stale, and any
    number of folds, runs, processes and users may fill and read a folder at the same time. Unused entries stay until
    the folder is removed. With several processes, the first one lists missing entries, and each computes its share.

    Args:
        data: list of cases with ``image`` and ``label`` paths.
        preprocessing: deterministic transforms to ``image`` [C, H, W, D] and ``label`` [1, H, W, D].
        cache_dir: folder of the cache, created when an entry is missing. The umask decides who may read its files.
        num_classes: number of classes that labels may contain, including the background; None to skip the check.
        num_workers: processes that fill the cache.
        max_voxels_per_class: largest number of voxels stored per class for foreground oversampling.

    Attributes:
        has_ignored_voxels: whether any case has voxels that nobody annotated.

    Raises:
        InputError: a label exceeds ``num_classes``, the volumes do not fit on the disk, the folder cannot be written
            to, or the preprocessing cannot use a case. An error in one process is raised in all.
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
        self.cache_dir = Path(cache_dir).expanduser()
        self.num_classes, self.max_voxels_per_class = num_classes, max_voxels_per_class
        transforms = b"".join(pickle_hashing(transform) for transform in preprocessing.transforms)
        versions = [_LAYOUT, PREPROCESSING_VERSION, INTENSITY_TABLE, max_voxels_per_class]
        self._recipe = [hashlib.sha256(transforms).hexdigest(), *versions]
        self._keys: list[str] = []
        self._fill(num_workers)
        present = on_all_processes(self._checked_labels)
        self.has_ignored_voxels = IGNORE in present

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> CachedCase:
        folder = self.cache_dir / self._keys[index]
        if not folder.is_dir():
            self._write(self.data[index], folder)
        return CachedCase(folder)

    def _key(self, case: Mapping[str, Any]) -> str:
        files = [[os.path.realpath(path), file_stamp(path)] for path in case_files(case)]
        image = case["image"]
        sequences = list(image) if isinstance(image, Mapping) else None
        stated = {name: value for name, value in case.items() if name not in _NOT_READ}
        identity = json.dumps([files, sequences, stated, self._recipe], sort_keys=True, default=str)
        return hashlib.sha256(identity.encode()).hexdigest()[:32]

    def _fill(self, num_workers: int) -> None:
        # share one list: a process that looks later would find fewer missing entries, and compute its share of other
        # cases
        self._keys, missing = first_process_decides(self._keys_and_missing)
        rank, n_ranks = rank_and_size()
        on_all_processes(lambda: self._make(missing[rank::n_ranks], num_workers))

    def _keys_and_missing(self) -> tuple[list[str], list[int]]:
        """Return the names of entries, and the numbers of cases without one; identical cases count once."""
        keys = [self._key(case) for case in self.data]
        first = {key: number for number, key in reversed(list(enumerate(keys)))}
        missing = sorted(number for key, number in first.items() if not (self.cache_dir / key).is_dir())
        if missing:
            cases = [self.data[number] for number in missing]
            size = cached_bytes(cases, self.preprocessing.transforms)
            OutputFolder(self.cache_dir).probe()
            check_space(self.cache_dir, size, len(cases))
            shown = "" if size is None else f", about {gigabytes(size)},"
            _logger.info("preprocessing %d of %d volumes%s into %s", len(missing), len(first), shown, self.cache_dir)
        return keys, missing

    def _make(self, numbers: Sequence[int], num_workers: int) -> None:
        if not numbers:
            return
        # its own generator: filling the cache must not change the random weights drawn later
        loader = DataLoader(
            self, sampler=numbers, batch_size=None, num_workers=num_workers, generator=torch.Generator()
        )
        rank, _ = rank_and_size()
        for _ in tqdm(loader, total=len(numbers), desc="caching volumes", unit="case", disable=rank > 0):
            pass

    def _checked_labels(self) -> set[int]:
        """Return the labels in all cases; check them, as a run with more classes may have filled the cache."""
        in_all: set[int] = set()
        for number, case in enumerate(self.data):
            present = self[number].labels_present()
            self._check_class(case, max(present - {IGNORE}, default=0))
            in_all |= present
        return in_all

    def _check_class(self, case: Mapping[str, Any], highest: int) -> None:
        if self.num_classes is not None and highest >= self.num_classes:
            raise InputError(
                f"{case['label']}: holds class {highest}, but the network has classes 0 to {self.num_classes - 1}: "
                "correct the label map, or label_names of the data set"
            )

    def _write(self, case: Mapping[str, Any], folder: Path) -> None:
        try:
            item = self.preprocessing(dict(case))
        except Exception as error:
            # MONAI wraps errors of transforms, and a worker process only passes on the outermost one
            if (found := input_error(error)) is not None:
                raise InputError(str(found)) from error
            raise
        image = np.asarray(item["image"], dtype=np.float16).transpose(3, 0, 1, 2)
        label = np.asarray(item["label"], dtype=np.uint8)[0].transpose(2, 0, 1)
        self._check_class(case, int(label.max(where=label != IGNORE, initial=0)))
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
                if not folder.is_dir():  # otherwise another process has written the same content first
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
