"""Embeddings of many samples on disk: memory-mapped, keyed by what made them, finished part by part.

Shapes: N samples, n items of a sample (1 for a picture, the slices of a volume, the tiles of a slide), P patches,
D width.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..files import AtomicFiles, write_text
from ..files.arrays import ArrayFile

_LAYOUT = 1  # of the files; in the key, so that another one is never read
Kind = Literal["cls", "mean_patch", "patches", "levels", "origin"]


class EmbeddingStore:
    """Embeddings of a list of samples by one encoder at one size.

    A part holds ``part_samples`` samples: an array ``00000.<kind>.npy`` of all their items one after the other, and
    ``00000.json`` with the number of items of each sample and why a sample has none. A part is written as a whole or
    not at all, so that a pass that was killed continues where it stopped. Any number of processes may write one store.

    Args:
        root: folder of all stores; each has its own folder there, named by the hash of ``identity`` and ids.
        identity: everything that determines the embeddings, as plain data: encoder, size, preprocessing, files.
        sample_ids: unique ids of the samples, in order.
        kinds: "cls", the encoder's vector of an item; "mean_patch", the mean of its patches; "patches", all of them;
            "levels", those of several blocks, [L, P, D] an item; of tiles "origin", their place, see `Origins`.
        part_samples: number of samples in a part.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        identity: Mapping[str, Any],
        sample_ids: Sequence[str],
        kinds: Sequence[Kind] = ("cls", "mean_patch"),
        part_samples: int = 256,
    ) -> None:
        self.identity, self.sample_ids, self.part_samples = dict(identity), list(sample_ids), part_samples
        self.kinds = tuple(kinds)
        described = {"layout": _LAYOUT, "identity": self.identity, "kinds": self.kinds, "part_samples": part_samples}
        text = json.dumps(described, sort_keys=True)
        ids = hashlib.sha256("\n".join(self.sample_ids).encode("utf-8", "surrogateescape")).hexdigest()
        self.folder = Path(root) / hashlib.sha256(f"{text}\n{ids}".encode()).hexdigest()[:32]
        self.folder.mkdir(parents=True, exist_ok=True)
        with AtomicFiles() as files:
            write_text(files.path(self.folder / "store.json"), json.dumps(described, indent=2) + "\n")

    @property
    def n_parts(self) -> int:
        return -(-len(self.sample_ids) // self.part_samples)

    def part(self, number: int) -> range:
        """Numbers of the samples in a part."""
        return range(number * self.part_samples, min((number + 1) * self.part_samples, len(self.sample_ids)))

    def missing_parts(self) -> list[int]:
        """Parts that are not finished."""
        return [number for number in range(self.n_parts) if not self._path(number, "json").exists()]

    def write_part(self, number: int, embeddings: Sequence[Mapping[Kind, NDArray[Any]] | str]) -> None:
        """Write the samples of a part.

        Args:
            number: number of the part.
            embeddings: for each sample its arrays by kind, each [n, ...], or the reason why there are none.
        """
        there = [e for e in embeddings if not isinstance(e, str)]
        lengths = [0 if isinstance(e, str) else len(next(iter(e.values()))) for e in embeddings]
        reasons = {
            self.sample_ids[k]: e for k, e in zip(self.part(number), embeddings, strict=True) if isinstance(e, str)
        }
        with AtomicFiles() as files:
            for kind in self.kinds if there else ():
                np.save(files.path(self._path(number, f"{kind}.npy")), np.concatenate([e[kind] for e in there]))
            # last: where it is, the part is complete
            facts = {"items": lengths, "unreadable": reasons}
            write_text(files.path(self._path(number, "json")), json.dumps(facts, ensure_ascii=False) + "\n")

    def read(self) -> Embeddings:
        """Return the embeddings that were written.

        Raises:
            ValueError: a part is missing.
        """
        if missing := self.missing_parts():
            raise ValueError(f"{self.folder}: {len(missing)} of {self.n_parts} parts are not encoded yet")
        lengths: list[int] = []
        unreadable: dict[str, str] = {}
        arrays: dict[Kind, list[ArrayFile]] = {kind: [] for kind in self.kinds}
        for number in range(self.n_parts):
            facts = json.loads(self._path(number, "json").read_text(encoding="utf-8"))
            lengths += facts["items"]
            unreadable |= facts["unreadable"]
            for kind in self.kinds if any(facts["items"]) else ():
                arrays[kind].append(ArrayFile.of(self._path(number, f"{kind}.npy")))
        return Embeddings(self.sample_ids, np.array(lengths, dtype=np.int64), arrays, unreadable)

    def _path(self, number: int, what: str) -> Path:
        return self.folder / f"{number:05d}.{what}"


class Embeddings:
    """A finished store, read from disk on demand.

    Attributes:
        sample_ids: ids of all N samples.
        lengths: number of items of each sample, [N]; 0 if it could not be read.
        unreadable: reason by sample id.
    """

    def __init__(
        self,
        sample_ids: Sequence[str],
        lengths: NDArray[np.int64],
        arrays: Mapping[Kind, Sequence[ArrayFile]],
        unreadable: Mapping[str, str],
    ) -> None:
        self.sample_ids, self.lengths, self.unreadable = list(sample_ids), lengths, dict(unreadable)
        self._arrays = arrays
        # first item of each sample among all, and first item of each part
        self._starts = np.concatenate(([0], np.cumsum(lengths)))
        parts = next(iter(arrays.values()))
        self._part_starts = np.concatenate(([0], np.cumsum([part.shape[0] for part in parts]))).astype(np.int64)

    def items(self, sample: int, kind: Kind = "cls") -> NDArray[Any]:
        """[n, D] or [n, P, D] of one sample, in 16 bits; a view of the file."""
        first, last = int(self._starts[sample]), int(self._starts[sample + 1])
        if first == last:
            return np.zeros((0, *(self._arrays[kind][0].shape[1:] if self._arrays[kind] else (0,))), dtype=np.float16)
        part = int(np.searchsorted(self._part_starts, first, side="right")) - 1
        offset = int(self._part_starts[part])
        return self._arrays[kind][part].mapped()[first - offset : last - offset]

    def all_items(self, kind: Kind = "cls") -> NDArray[Any]:
        """Items of all samples one after the other, [sum of n, D] or [sum of n, P, D], in memory."""
        parts = self._arrays[kind]
        if not parts:
            return np.zeros((0, 0), dtype=np.float16)
        items = np.empty((int(self._part_starts[-1]), *parts[0].shape[1:]), parts[0].dtype)
        # one after the other: together they would all be open
        for part, start in zip(parts, self._part_starts, strict=False):
            items[start : start + part.shape[0]] = part.mapped()
        return items
