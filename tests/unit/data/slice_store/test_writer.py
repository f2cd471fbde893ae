"""Volumes and the index of a store on disk."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from command_lines import environment
from slice_stores import random_slices, write_store

from meddino_components.data.slice_store.store import SliceStore, VolumeRecord
from meddino_components.data.slice_store.writer import (
    StoredVolume,
    content_sha256,
    encode_volume,
    index_rows,
    write_index,
    write_volume,
)

blosc2 = pytest.importorskip("blosc2")


def test_the_digest_is_that_of_shape_and_voxels_in_any_layout(volumes):
    slices = volumes[0]
    expected = hashlib.sha256(np.array(slices.shape, "<i8").tobytes() + slices.astype("<i2").tobytes()).hexdigest()
    turned = np.ascontiguousarray(slices.transpose(2, 1, 0)).transpose(2, 1, 0)
    assert content_sha256(slices) == content_sha256(turned) == content_sha256(slices.astype(">i2")) == expected
    assert content_sha256(slices.reshape(5, 48, 64)) != expected


def test_a_row_for_each_slice_volume_by_volume(tmp_path, volumes):
    content, offsets, nbytes = encode_volume(volumes[1])
    # the chunks lie one behind the other, and what lies there is the slice
    np.testing.assert_array_equal(offsets[1:], offsets[:-1] + nbytes[:-1])
    for k in (0, 4):
        chunk = content[offsets[k] : offsets[k] + nbytes[k]]
        # padded to whole blocks of rows
        pixels = np.frombuffer(blosc2.decompress(chunk), np.int16)[: 33 * 517]
        np.testing.assert_array_equal(pixels.reshape(33, 517), volumes[1][k])
    record = VolumeRecord(
        source_set="s", case_id="c", file="f", modality="ct", shape=(2, 3, 4), source_slices=9,
        spacing_mm=(1.0, 1.0, 1.0), scale=1.0, offset=0.0, sha256="0" * 64,
    )  # fmt: skip
    stored = [
        StoredVolume(
            record=record, slices=np.array(numbers), offsets=np.array(numbers) * 10, nbytes=np.array(numbers) + 1
        )
        for numbers in ([3, 4], [0], [7, 8, 9])
    ]
    rows = index_rows(stored)
    assert rows["volume"].tolist() == [0, 0, 1, 2, 2, 2]
    assert rows["slice"].tolist() == [3, 4, 0, 7, 8, 9]
    assert rows["offset"].tolist() == [30, 40, 0, 70, 80, 90]
    assert rows["nbytes"].tolist() == [4, 5, 1, 8, 9, 10]
    again = StoredVolume.from_dict(json.loads(json.dumps(stored[0].to_dict())))
    assert again.record == record
    assert (again.slices.tolist(), again.slices.dtype, again.offsets.dtype) == ([3, 4], np.int32, np.int64)


def test_a_disk_that_is_full_leaves_no_part_of_a_volume(tmp_path, monkeypatch):
    def full(path, content):
        with open(path, "wb") as file:
            file.write(content[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_volume(tmp_path, "volumes/00/a.b2nd", b"voxels")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


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
