"""Whole files or none, under temporary names of each writer's own."""

import multiprocessing
import os

import numpy as np
import pytest

from meddino_components.files import AtomicFiles


def hidden(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_nothing_is_there_before_the_end_and_nothing_after_an_error(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    files = AtomicFiles()
    files.path(tmp_path / "a.txt").write_text("new")
    files.path(tmp_path / "b.txt").write_text("new")
    assert (tmp_path / "a.txt").read_text() == "old"
    files.__exit__(RuntimeError, RuntimeError(), None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_data_are_on_the_disk_before_the_first_rename(tmp_path, monkeypatch):
    done = []
    flushed, renamed = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (done.append("flush"), flushed(number)))
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("rename"), renamed(*paths)))
    with AtomicFiles() as files:
        for name in "ab":
            files.path(tmp_path / name).write_text(name)
    assert done == ["flush", "flush", "rename", "rename", "flush"]


@pytest.mark.parametrize("name", ["x" * 248 + ".nii.gz", "x" * 254, ".nii.gz", "a." + "b" * 250, "ü" * 120 + ".json"])
def test_names_as_long_as_the_file_system_takes(tmp_path, name):
    with AtomicFiles() as files:
        temporary = files.path(tmp_path / name)
        temporary.write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def write_again_and_again(folder, number, rounds):
    for _ in range(rounds):
        with AtomicFiles() as files:
            np.save(files.path(folder / "a.npy"), np.full(1000, number))
            files.path(folder / "a.json").write_text(str(number))


def test_many_processes_write_the_same_files(tmp_path):
    processes = [multiprocessing.Process(target=write_again_and_again, args=(tmp_path, k, 60)) for k in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert len(np.unique(np.load(tmp_path / "a.npy"))) == 1
    assert not hidden(tmp_path)
