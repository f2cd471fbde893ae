"""Ranges of bytes of local and remote files, read by many at once."""

import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from command_lines import environment
from slice_stores import in_order
from torch.utils.data import DataLoader, Dataset

from meddino_components.data.slice_store.files import StoreFiles
from meddino_components.data.slice_store.store import SliceStore
from meddino_components.errors import InputError

pytest.importorskip("blosc2")
fsspec = pytest.importorskip("fsspec")


@pytest.mark.parametrize("remote", [False, True])
def test_a_range_or_nothing(tmp_path, remote):
    url, content = str(tmp_path), bytes(range(100))
    if remote:
        url = "memory://bucket/ranges"
        fsspec.filesystem("memory").pipe_file("/bucket/ranges/a", content)
    else:
        (tmp_path / "a").write_bytes(content)
    files = StoreFiles(url, 2)
    assert files.whole("a") == content

    def numbers(chunk):
        return np.frombuffer(bytes(chunk), np.int16)

    np.testing.assert_array_equal(files.read("a", 10, 6, numbers), np.frombuffer(content[10:16], np.int16))
    # the buffer has room for more by now
    np.testing.assert_array_equal(files.read("a", 96, 4, numbers), np.frombuffer(content[96:], np.int16))
    assert files.read("a", 98, 4, numbers) is None
    assert files.read("lost", 0, 4, numbers) is None
    with pytest.raises(InputError, match=rf"{url}/a: cannot be read .*Copy the store again"):
        files.array("a")


@pytest.mark.parametrize("scheme", ["memory", "file"])
def test_any_fsspec_url(root, volumes, scheme):
    url = f"file://{root}"
    if scheme == "memory":
        url = "memory://bucket/store"
        memory = fsspec.filesystem("memory")
        for path in root.rglob("*"):
            if path.is_file():
                memory.pipe_file(f"/bucket/store/{path.relative_to(root).as_posix()}", path.read_bytes())
    store = pickle.loads(pickle.dumps(SliceStore(url)))
    for index, pixels in enumerate(in_order(volumes)):
        np.testing.assert_array_equal(store.read(index), pixels)
    if scheme == "memory":
        memory.rm_file(f"/bucket/store/{store.volume(0).data_file}")
        with pytest.raises(InputError, match=r"slice 2 of the store is missing.*Copy the file again"):
            store.read(2)


def test_no_more_files_stay_open_than_asked(root, volumes):
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("no /proc")
    store = SliceStore(root, max_open_files=2)
    before = len(list(descriptors.iterdir()))
    for index in [0, 5, 10, 15] * 3:
        np.testing.assert_array_equal(store.read(index), in_order(volumes)[index])
    assert len(list(descriptors.iterdir())) == before + 2
    del store
    assert len(list(descriptors.iterdir())) <= before


class Pixels(Dataset):
    def __init__(self, store):
        self.store = store

    def __len__(self):
        return len(self.store)

    def __getitem__(self, index):
        return os.getpid(), self.store.read(index).astype(np.int64).sum()


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_loader_workers_read_at_once(root, volumes, start):
    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {start} here")
    store = SliceStore(root, max_open_files=2)
    store.read(0)  # a file is open and the buffer used before the processes part
    loader = DataLoader(Pixels(store), batch_size=None, num_workers=2, multiprocessing_context=start)
    pids, sums = zip(*loader, strict=True)
    assert len(set(pids)) == 2
    assert [int(value) for value in sums] == [int(pixels.sum(dtype=np.int64)) for pixels in in_order(volumes)]


@pytest.mark.slow
def test_two_processes_of_their_own_read_at_once(root, volumes):
    code = (
        "import sys, numpy as np\n"
        "from meddino_components.data.slice_store import SliceStore\n"
        "store = SliceStore(sys.argv[1])\n"
        "order = np.random.default_rng(int(sys.argv[2])).permutation(len(store))\n"
        "sums = {int(i): int(store.read(int(i)).sum(dtype=np.int64)) for _ in range(20) for i in order}\n"
        "print([sums[i] for i in range(len(store))])\n"
    )
    commands = [[sys.executable, "-c", code, str(root), seed] for seed in "12"]
    running = [subprocess.Popen(c, stdout=subprocess.PIPE, env=environment(), encoding="utf-8") for c in commands]
    expected = [int(pixels.sum(dtype=np.int64)) for pixels in in_order(volumes)]
    for process in running:
        assert json.loads(process.communicate(timeout=120)[0]) == expected


def test_threads_read_at_once(root, volumes):
    store, wrong = SliceStore(root, max_open_files=1), []
    expected = in_order(volumes)

    def read(seed):
        for index in np.random.default_rng(seed).integers(0, len(store), 200):
            if not np.array_equal(store.read(int(index)), expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
