"""Read ranges of bytes of many files below a URL."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import fsspec
import numpy as np
from fsspec.implementations.local import LocalFileSystem
from numpy.typing import NDArray

from ...errors import InputError


class StoreFiles:
    """Reads ranges of bytes of files below a URL; local files stay open, the least recently read is closed first."""

    def __init__(self, url: str, max_open_files: int) -> None:
        self.url, self.max_open_files = url, max_open_files
        self._filesystem, root = fsspec.core.url_to_fs(url)
        self._root = root.rstrip("/")
        # without preadv (Windows), processes would share a file's position
        self._is_local = isinstance(self._filesystem, LocalFileSystem) and hasattr(os, "preadv")
        self._descriptors: OrderedDict[str, int] = OrderedDict()
        self._lock, self._buffer = threading.Lock(), bytearray()

    def __del__(self) -> None:
        for descriptor in getattr(self, "_descriptors", {}).values():
            os.close(descriptor)

    def whole(self, name: str) -> bytes:
        return bytes(self._filesystem.cat_file(f"{self._root}/{name}"))

    def array(self, name: str) -> NDArray[Any]:
        """Read an .npy file, memory-mapped if it is local."""
        try:
            if isinstance(self._filesystem, LocalFileSystem):
                array: NDArray[Any] = np.load(f"{self._root}/{name}", mmap_mode="r")
                return array
            with self._filesystem.open(f"{self._root}/{name}", "rb") as file:
                return np.load(file)
        except (OSError, EOFError, ValueError) as error:
            raise InputError(f"{self.url}/{name}: cannot be read ({error}). Copy the store again.") from error

    def read(
        self, name: str, offset: int, nbytes: int, decode: Callable[[bytes | memoryview], NDArray[np.int16] | None]
    ) -> NDArray[np.int16] | None:
        """Return the decoded range; None if the file is missing or ends early."""
        if not self._is_local:
            try:
                chunk = self._filesystem.cat_file(f"{self._root}/{name}", start=offset, end=offset + nbytes)
            except FileNotFoundError:
                return None
            with self._lock:
                return decode(chunk) if len(chunk) == nbytes else None
        with self._lock:  # protects the buffer, the descriptors and the only context of blosc2.decompress
            try:
                descriptor = self._descriptor(name)
            except FileNotFoundError:
                return None
            if len(self._buffer) < nbytes:
                self._buffer = bytearray(nbytes)
            view = memoryview(self._buffer)[:nbytes]
            return decode(view) if os.preadv(descriptor, [view], offset) == nbytes else None

    def _descriptor(self, name: str) -> int:
        if name in self._descriptors:
            self._descriptors.move_to_end(name)
            return self._descriptors[name]
        descriptor = self._descriptors[name] = os.open(f"{self._root}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        if len(self._descriptors) > self.max_open_files:
            os.close(self._descriptors.popitem(last=False)[1])
        return descriptor
