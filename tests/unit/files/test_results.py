"""What may be replaced: results of this project that nobody edited, and nothing else."""

import json
import os

import pytest
from holding import exit_status

from meddino_components.errors import InputError
from meddino_components.files import (
    ResultFiles,
    adopt,
    append_to,
    check_results,
    is_unchanged,
    ledger,
    remove_dead_temporaries,
    sha256_of,
)
from meddino_components.files.with_sha256 import write_atomically


def write(path, text, **settings):
    with ResultFiles(**settings) as files:
        files.path(path).write_text(text)


@pytest.mark.parametrize("overwrite", [None, False, True])
def test_a_file_of_the_users_is_never_replaced(tmp_path, overwrite):
    (tmp_path / "a.txt").write_text("the user's")
    with pytest.raises(InputError, match=r"a\.txt: not written by meddino.*another output folder"):
        check_results([tmp_path / "b.txt", tmp_path / "a.txt"], overwrite=overwrite)
    files = ResultFiles(overwrite=overwrite)
    for name in "ba":
        files.path(tmp_path / f"{name}.txt").write_text("new")
    with pytest.raises(InputError, match=r"a\.txt: not written by meddino"):
        files.__exit__(None, None, None)
    assert (tmp_path / "a.txt").read_text() == "the user's"
    assert not (tmp_path / "b.txt").exists()


def test_results_are_replaced_unless_edited(tmp_path):
    path = tmp_path / "a.txt"
    write(path, "first")
    write(path, "second")
    assert path.read_text() == "second"
    assert is_unchanged(path)
    path.write_text("edited")
    with pytest.raises(InputError, match=r"a\.txt: edited since meddino wrote it") as refused:
        write(path, "third")
    assert "--overwrite" not in str(refused.value)
    with pytest.raises(InputError, match="set --overwrite"):
        write(path, "third", overwrite=False)
    assert path.read_text() == "edited"
    write(path, "third", overwrite=True)
    assert path.read_text() == "third"
    assert is_unchanged(path)


@pytest.mark.parametrize("target", ["file", "nothing"])
def test_a_link_is_not_replaced_nor_written_through(tmp_path, target):
    users = tmp_path / "users.txt"
    if target == "file":
        users.write_text("the user's")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").symlink_to(users)
    with pytest.raises(InputError, match="not written by meddino"):
        write(tmp_path / "out" / "a.txt", "new", overwrite=True)
    assert (tmp_path / "out" / "a.txt").is_symlink()
    assert users.exists() == (target == "file")


def test_a_folder_of_the_same_name(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(InputError, match="not written by meddino"):
        write(tmp_path / "a.txt", "new")


def test_the_record_moves_with_the_folder_and_knows_names_that_are_not_utf8(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    name = os.fsdecode(b"h\xfctte.txt")
    write(folder / name, "first")
    folder.rename(tmp_path / "moved")
    write(tmp_path / "moved" / name, "second")
    assert (tmp_path / "moved" / name).read_text() == "second"


def test_a_file_that_appears_meanwhile_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    written = ledger.Ledger.write

    def a_user_writes(self):
        written(self)
        path.write_text("the user's")

    monkeypatch.setattr(ledger.Ledger, "write", a_user_writes)
    with pytest.raises(InputError, match="appeared while"):
        write(path, "new")
    assert path.read_text() == "the user's"


def commit_until(folder, step):
    """Write three files; end at the step-th call that touches the disk, as a kill would."""
    calls = 0

    def counted(function):
        def call(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == step:
                os._exit(9)
            return function(*args, **kwargs)

        return call

    for name in ("replace", "link", "fsync"):
        setattr(os, name, counted(getattr(os, name)))
    with ResultFiles() as files:
        for name in "abc":
            files.path(folder / f"{name}.txt").write_text(f"new {name}")
    return 0


def test_killed_at_every_step_of_a_commit(tmp_path):
    """Whatever the moment, each file is the old or the new one, known as ours, and the next run replaces it."""
    for step in range(1, 100):
        folder = tmp_path / str(step)
        folder.mkdir()
        for name in "ab":
            write(folder / f"{name}.txt", f"old {name}")
        status = exit_status(commit_until, folder, step)
        for name in "abc":
            path = folder / f"{name}.txt"
            if name != "c" or path.exists():
                assert path.read_text() in (f"old {name}", f"new {name}")
                assert is_unchanged(path)
        for name in "abc":
            write(folder / f"{name}.txt", "next")
        remove_dead_temporaries(folder)  # as a new process does at its first file
        assert sorted(path.name for path in folder.iterdir()) == [".meddino", "a.txt", "b.txt", "c.txt"]
        if status == 0:
            break
    assert step > 8
    assert status == 0


def test_an_edited_file_stays_the_users_when_its_replacement_is_killed(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write(path, "first")
    path.write_text("edited")
    monkeypatch.setattr(os, "replace", replaced_but_not(path, os.replace))
    with pytest.raises(KeyboardInterrupt):
        write(path, "second", overwrite=True)
    monkeypatch.undo()
    with pytest.raises(InputError, match="edited"):
        write(path, "third", overwrite=False)


def replaced_but_not(path, replace):
    def call(source, target):
        if target == path:
            raise KeyboardInterrupt
        replace(source, target)

    return call


def test_logs_grow_and_weights_are_adopted(tmp_path):
    log, model = tmp_path / "log.jsonl", tmp_path / "model.pt"
    log.write_text("the user's\n")
    with pytest.raises(InputError, match="not written by meddino"):
        append_to(log)
    log.unlink()
    append_to(log)
    log.write_text("one\n")
    append_to(log)
    check_results([log])
    model.write_bytes(b"released")
    with pytest.raises(InputError, match="not written by meddino"):
        write_atomically(model, lambda partial: partial.write_bytes(b"trained"))
    adopt([model])
    digest = write_atomically(model, lambda partial: partial.write_bytes(b"trained"))
    assert digest == sha256_of(model)
    assert (tmp_path / "model.pt.sha256").read_text() == f"{digest}  model.pt\n"


def test_names_that_are_too_long_are_refused_before_anything_is_computed(tmp_path):
    with pytest.raises(InputError, match="the name has 259 bytes, but the file system allows 255"):
        check_results([tmp_path / ("ü" * 127 + ".nii.gz")[1:], tmp_path / ("x" * 253 + ".nii.gz")])


def test_a_damaged_record_is_no_licence_to_replace(tmp_path):
    write(tmp_path / "a.txt", "first")
    (tmp_path / ".meddino" / "files.json").write_text("{")
    with pytest.raises(InputError, match=r"files\.json: is damaged"):
        write(tmp_path / "a.txt", "second")
    (tmp_path / ".meddino" / "files.json").write_text(json.dumps({"version": 99, "files": {}}))
    with pytest.raises(InputError, match="has version 99"):
        write(tmp_path / "a.txt", "second")
    assert (tmp_path / "a.txt").read_text() == "first"
