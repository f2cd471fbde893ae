"""One writer of a folder at a time, which outlives no process."""

import fcntl
import json
import os
import time

import pytest
from filelock import FileLock
from holding import exit_status, forked, holder_of

from meddino_components.errors import InputError
from meddino_components.files import held_lock, lock
from meddino_components.files.lock import release_lock, take_lock


def test_a_lock_of_a_dead_process_is_taken_over(tmp_path):
    with holder_of(tmp_path) as holder:
        holder.kill()
        holder.join()
        with held_lock(tmp_path):
            assert json.loads((tmp_path / ".meddino" / "holder.json").read_text())["pid"] == os.getpid()
    assert not (tmp_path / ".meddino" / "holder.json").exists()


def end_before_a_child(place):
    """Take the lock as older versions of filelock do, whose forked children keep it, and leave such a child behind."""
    (place / ".meddino").mkdir()
    descriptor = os.open(place / ".meddino" / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    (place / ".meddino" / "holder.json").write_text(json.dumps(lock._this_process()))
    if os.fork() == 0:
        time.sleep(1)
        os._exit(0)
    return 0


def test_children_of_a_dead_holder_are_waited_for(tmp_path):
    assert exit_status(end_before_a_child, tmp_path) == 0
    started = time.monotonic()
    with held_lock(tmp_path):
        assert time.monotonic() - started > 0.5


def test_a_forked_process_neither_takes_nor_ends_the_lock_of_its_parent(tmp_path):
    with held_lock(tmp_path):
        process = forked.Process(target=held_and_given_back, args=(tmp_path,))
        process.start()
        process.join()
        assert process.exitcode == 0
        assert (tmp_path / ".meddino" / "holder.json").exists()


def held_and_given_back(folder):
    with held_lock(folder):
        pass


def holder(folder):
    return json.loads((folder / ".meddino" / "holder.json").read_text())


def test_who_holds_it_stays_until_the_last_user_of_this_process_gives_it_back(tmp_path):
    outer, inner = take_lock(tmp_path), take_lock(tmp_path / ".." / tmp_path.name)
    assert outer == inner == tmp_path.resolve()
    assert holder(tmp_path)["pid"] == os.getpid()
    release_lock(inner)
    assert holder(tmp_path)["pid"] == os.getpid()
    release_lock(outer)
    assert not (tmp_path / ".meddino" / "holder.json").exists()
    # once more is no error: an exit of the program may come after that of the block
    release_lock(outer)


def test_processes_of_a_training_but_the_first_take_none(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "rank_and_size", lambda: (1, 2))
    with held_lock(tmp_path):
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("written", [None, "{", '{"pid": "x", "machine": "y"}'])
def test_a_holder_that_has_not_said_who_it_is(tmp_path, monkeypatch, written):
    monkeypatch.setattr(lock, "_WAIT_FOR_NAME_SECONDS", 0.05)
    (tmp_path / ".meddino").mkdir()
    if written is not None:
        (tmp_path / ".meddino" / "holder.json").write_text(written)
    with (
        FileLock(tmp_path / ".meddino" / "lock"),
        pytest.raises(
            InputError, match=r"another process is writing to it\. Wait for it to end, or give another output folder"
        ),
        held_lock(tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (None, "processes started by process {pid} on there, since noon: meddino x still write to it"),
        (
            "another",
            r"another process is writing to it \(process {pid} on there, since noon: meddino x\)\. Wait for it",
        ),
    ],
    ids=["here", "elsewhere"],
)
def test_a_lock_that_a_process_without_a_number_here_left(tmp_path, monkeypatch, machine, said):
    """Of this machine such a process is gone; of another machine nothing is known."""
    monkeypatch.setattr(lock, "_WAIT_FOR_CHILDREN_SECONDS", 0.05)
    monkeypatch.setattr(lock, "is_alive", lambda pid: False)
    (tmp_path / ".meddino").mkdir()
    who = {"pid": 4711, "host": "there", "machine": machine or lock.this_machine(), "since": "noon"}
    (tmp_path / ".meddino" / "holder.json").write_text(json.dumps({**who, "command": "meddino x"}))
    with (
        FileLock(tmp_path / ".meddino" / "lock"),
        pytest.raises(InputError, match=said.format(pid=4711)) as refused,
        held_lock(tmp_path),
    ):
        pass
    assert "\n" not in str(refused.value)
    assert "give another output folder" in str(refused.value)
