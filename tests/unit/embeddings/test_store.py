"""Embeddings on disk: what is written is read, part by part."""

import json
import multiprocessing
import os
import sys

import numpy as np
import pytest
from command_lines import run_preloaded

from meddino_components.embeddings import EmbeddingStore

IDENTITY = {"encoder": "abc", "size_px": 32}
LENGTHS = (1, 3, 2, 4, 1, 2, 5)  # items of seven samples, in parts of three
IDS = [f"s{k}" for k in range(len(LENGTHS))]


def store(folder, **changes):
    settings = {"identity": IDENTITY, "sample_ids": IDS, "kinds": ("cls", "patches"), "part_samples": 3, **changes}
    return EmbeddingStore(folder, **settings)


def sample(k, length):
    """Arrays of a sample whose numbers say which sample, item and patch they are of."""
    items = np.arange(length)[:, None]
    cls = (100 * k + 10 * items + np.arange(4)).astype(np.float16)
    patches = (cls[:, None] + np.array([0.25, 0.5])[None, :, None]).astype(np.float16)
    return {"cls": cls, "patches": patches}


def samples(unreadable=()):
    return [f"{IDS[k]} is torn" if k in unreadable else sample(k, n) for k, n in enumerate(LENGTHS)]


def write(opened, embeddings, parts=None):
    for part in opened.missing_parts() if parts is None else parts:
        opened.write_part(part, [embeddings[k] for k in opened.part(part)])


def test_ragged_samples_come_back(tmp_path):
    opened = store(tmp_path)
    assert (opened.n_parts, [list(opened.part(k)) for k in range(3)]) == (3, [[0, 1, 2], [3, 4, 5], [6]])
    write(opened, samples())
    found = store(tmp_path).read()
    assert found.sample_ids == IDS
    assert found.lengths.tolist() == list(LENGTHS)
    assert found.unreadable == {}
    for k, length in enumerate(LENGTHS):
        for kind, expected in sample(k, length).items():
            items = found.items(k, kind)
            assert items.dtype == np.float16
            np.testing.assert_array_equal(items, expected)
    for kind in ("cls", "patches"):
        every = np.concatenate([sample(k, length)[kind] for k, length in enumerate(LENGTHS)])
        np.testing.assert_array_equal(found.all_items(kind), every)


def test_items_are_views_of_the_file(tmp_path):
    """Nothing is read into memory, and nothing can be written by mistake."""
    opened = store(tmp_path)
    write(opened, samples())
    items = opened.read().items(3, "patches")
    base = items
    while base.base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    assert not items.flags.writeable


def test_more_parts_than_a_process_may_open_files(tmp_path):
    """A hundred parts of two kinds, and views of some that are held, with 64 file descriptors."""
    pytest.importorskip("resource")
    program = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
import numpy as np
from meddino_components.embeddings import EmbeddingStore
opened = EmbeddingStore(sys.argv[1], identity={}, sample_ids=[f"s{k}" for k in range(100)], part_samples=1)
for part in opened.missing_parts():
    opened.write_part(part, [{"cls": np.full((2, 4), part), "mean_patch": np.full((2, 4), -part)}])
found = opened.read()
held = found.items(7)
for k in range(100):
    assert (found.items(k) == k).all() and (found.items(k, "mean_patch") == -k).all()
assert (found.all_items()[:, 0] == np.arange(200) // 2).all()
assert (held == 7).all()
assert np.shares_memory(held, found.items(7))
"""
    run_preloaded(sys.executable, "-c", program, tmp_path, check=True)


def test_a_pass_that_was_killed_goes_on(tmp_path):
    opened = store(tmp_path)
    write(opened, samples(), parts=[0, 2])
    # a kill leaves arrays without the file that says they are complete, and files under other names
    np.save(opened.folder / "00001.cls.npy", np.zeros((1, 4), np.float16))
    (opened.folder / ".00001.patches.partial.npy").write_bytes(b"torn")
    again = store(tmp_path)
    assert again.missing_parts() == [1]
    with pytest.raises(ValueError, match="1 of 3 parts"):
        again.read()
    finished = {path: os.stat(path).st_mtime_ns for path in again.folder.glob("0000[02].*")}
    assert len(finished) == 6
    write(again, samples())
    assert {path: os.stat(path).st_mtime_ns for path in finished} == finished
    found = again.read()
    for k, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(found.items(k), sample(k, length)["cls"])


def test_a_part_that_fails_leaves_nothing(tmp_path):
    opened = store(tmp_path)
    broken = [sample(0, 1), {"cls": sample(1, 3)["cls"]}, sample(2, 2)]
    with pytest.raises(KeyError):
        opened.write_part(0, broken)
    assert opened.missing_parts() == [0, 1, 2]
    assert sorted(path.name for path in opened.folder.iterdir()) == ["store.json"]


def test_unreadable_samples(tmp_path):
    """At the start, and a whole part of them."""
    opened = store(tmp_path)
    write(opened, samples(unreadable=(0, 3, 4, 5)))
    found = opened.read()
    assert found.lengths.tolist() == [0, 3, 2, 0, 0, 0, 5]
    assert found.unreadable == {f"s{k}": f"s{k} is torn" for k in (0, 3, 4, 5)}
    for k in (1, 2, 6):
        np.testing.assert_array_equal(found.items(k, "patches"), sample(k, LENGTHS[k])["patches"])
    assert found.items(4).shape == (0, 4)
    assert found.items(4, "patches").shape == (0, 2, 4)


def test_all_unreadable(tmp_path):
    opened = store(tmp_path)
    write(opened, samples(unreadable=range(7)))
    found = opened.read()
    assert found.lengths.tolist() == [0] * 7
    assert len(found.unreadable) == 7
    assert len(found.items(2)) == 0
    assert len(found.all_items()) == 0


def test_what_decides_embeddings_decides_the_folder(tmp_path):
    changes = [
        {},
        {"identity": {**IDENTITY, "size_px": 64}},
        {"sample_ids": IDS[::-1]},
        {"sample_ids": IDS[:-1]},
        {"kinds": ("cls",)},
        {"part_samples": 4},
    ]
    folders = [store(tmp_path, **change).folder for change in changes]
    assert len(set(folders)) == len(folders)
    assert store(tmp_path, identity=dict(reversed(IDENTITY.items()))).folder == folders[0]
    assert json.loads((folders[0] / "store.json").read_text(encoding="utf-8"))["identity"] == IDENTITY


def open_and_write(root, rounds):
    for _ in range(rounds):
        store = EmbeddingStore(root, identity={"encoder": "a"}, sample_ids=["x"], kinds=["cls"], part_samples=1)
        store.write_part(0, [{"cls": np.ones((1, 4), np.float16)}])
        assert store.read().items(0).sum() == 4


def test_two_processes_write_the_same_store(tmp_path):
    processes = [multiprocessing.Process(target=open_and_write, args=(tmp_path, 150)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
