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
from slice_stores import random_slices, write_store
from torch.utils.data import DataLoader, Dataset

from meddino_components.data.slice_store.store import SliceStore, VolumeRecord
from meddino_components.data.slice_store.writer import StoredVolume, encode_volume, write_index
from meddino_components.errors import InputError

blosc2 = pytest.importorskip("blosc2")
fsspec = pytest.importorskip("fsspec")
PLANES = [(64, 48), (33, 517), (1, 7), (200, 3)]


@pytest.fixture
def volumes():
    return [random_slices(plane, seed=number) for number, plane in enumerate(PLANES)]


@pytest.fixture
def root(tmp_path, volumes):
    write_store(tmp_path / "störe 1", volumes)
    return tmp_path / "störe 1"


def in_order(volumes):
    return [pixels for slices in volumes for pixels in slices]


def test_every_slice_reads_back_bit_by_bit_with_its_spacing_and_source(root, volumes):
    store = SliceStore(root)
    assert (len(store), store.n_volumes) == (20, 4)
    for index, pixels in enumerate(in_order(volumes)):
        found = store.read(index)
        assert found.dtype == np.int16
        assert found.flags.c_contiguous
        assert found.flags.writeable
        np.testing.assert_array_equal(found, pixels)
    assert store.spacing_mm(7) == (0.5, 0.7, 3.0)
    assert store.source(7) == ("set é", "case_1", 3)
    assert store.volume(1).shape == (5, 33, 517)
    np.testing.assert_array_equal(store.slices["volume"], np.repeat(range(4), 5))
    np.testing.assert_array_equal(store.read(-1), volumes[-1][-1])
    with pytest.raises(IndexError):
        store.read(20)


def test_extreme_values_and_smooth_slices_are_lossless(tmp_path):
    ramp = np.arange(-(2**15), 2**15, dtype=np.int32).astype(np.int16).reshape(1, 256, 256)
    almost_constant = np.full((1, 256, 256), -1024, np.int16)
    almost_constant[0, 255, 255] = 7
    write_store(tmp_path, [ramp, almost_constant])
    store = SliceStore(tmp_path)
    np.testing.assert_array_equal(store.read(0), ramp[0])
    np.testing.assert_array_equal(store.read(1), almost_constant[0])
    assert (tmp_path / store.volume(1).data_file).stat().st_size < 10_000


def test_a_slice_of_one_value_is_refused_by_the_writer():
    with pytest.raises(ValueError, match="slice 1"):
        encode_volume(np.stack([random_slices((8, 8), n=1)[0], np.zeros((8, 8), np.int16)]))


def test_volume_files_are_ordinary_blosc2_arrays(root, volumes):
    path = root / SliceStore(root).volume(1).data_file
    array = blosc2.open(str(path), mode="r")
    assert (array.shape, array.chunks) == ((5, 33, 517), (1, 33, 517))
    np.testing.assert_array_equal(array[3], volumes[1][3])


def test_equal_volumes_give_equal_bytes(volumes):
    contents = [encode_volume(volumes[0].copy())[0] for _ in range(2)]
    assert contents[0] == contents[1]


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


@pytest.mark.parametrize("damage", ["truncate", "overwrite", "remove"])
def test_a_damaged_volume_is_named(root, damage):
    store = SliceStore(root)
    path = root / store.volume(0).data_file
    content = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 8] if damage == "truncate" else b"\xff" * len(content))
    with pytest.raises(InputError, match="missing, truncated or damaged") as error:
        store.read(4)
    assert str(path) in str(error.value)


def test_what_is_no_store_is_said(root, tmp_path):
    with pytest.raises(InputError, match=r"no store.json there.*run the same curation again"):
        SliceStore(tmp_path)
    header = json.loads((root / "store.json").read_text(encoding="utf-8"))
    (root / "store.json").write_text(json.dumps({**header, "version": 99}))
    with pytest.raises(InputError, match="version 1"):
        SliceStore(root)
    (root / "store.json").write_text(json.dumps({**header, "n_slices": 21}))
    with pytest.raises(InputError, match="not the index"):
        SliceStore(root)
    (root / "store.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        SliceStore(root)
    (root / "store.json").write_text(json.dumps(header))
    np.save(root / header["slices"], np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        SliceStore(root)


def test_a_store_is_replaced_by_renaming_one_file(root, volumes):
    reader = SliceStore(root)
    write_store(root, volumes[1:])
    assert len(SliceStore(root)) == 15
    assert len(reader) == 20  # opened before
    np.testing.assert_array_equal(reader.read(5), volumes[1][0])
    assert len(list(root.glob("volumes/*/*.b2nd"))) == 3
    assert len(list(root.glob("slices-*.npy"))) == len(list(root.glob("volumes-*.jsonl"))) == 1


@pytest.mark.slow
def test_an_index_of_four_million_slices_is_small(tmp_path):
    n_volumes, per_volume = 20_000, 200
    sha = "".join("0123456789abcdef"[i % 16] for i in range(64))
    common = {"source_set": "AbdomenAtlas", "modality": "ct", "shape": (per_volume, 512, 512), "source_slices": 210}
    common |= {"spacing_mm": (0.7421875, 0.7421875, 1.25), "scale": 1.0, "offset": 0.0, "sha256": sha}
    records = [
        VolumeRecord(case_id=f"BDMAP_{i:08d}", file=f"BDMAP_{i:08d}/ct.nii.gz", **common) for i in range(n_volumes)
    ]
    nothing = np.zeros(per_volume, np.int64)
    numbers = np.arange(per_volume)
    write_index(tmp_path, [StoredVolume(record=r, slices=numbers, offsets=nothing, nbytes=nothing) for r in records])
    code = (
        "import json, sys, time, numpy as np, psutil\n"
        "from meddino_components.data.slice_store.store import SliceStore, require_blosc2\n"
        "require_blosc2()\n"
        "memory = psutil.Process().memory_info\n"
        "before, begun = memory().rss, time.perf_counter()\n"
        "store = SliceStore(sys.argv[1])\n"
        "seconds = time.perf_counter() - begun\n"
        "for i in np.random.default_rng(0).integers(0, len(store), 50_000):\n"
        "    source = store.source(int(i))\n"
        "    assert source.case_id == f'BDMAP_{i // 200:08d}' and source.slice_number == i % 200\n"
        "print(json.dumps([len(store), seconds, (memory().rss - before) / 2**20]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    n, seconds, mib = json.loads(done.stdout)
    print(f"opened in {seconds:.3f} s, {mib:.0f} MiB")
    assert n == 4_000_000
    assert seconds < 20  # measured: 0.02 s; a loaded machine is slower
    assert mib < 200
