"""A file and its SHA-256, which belong together at any moment."""

import hashlib
import os

import pytest
from safetensors import SafetensorError
from visible_files import partial_files, visible

from meddino_components.errors import InputError
from meddino_components.files.with_sha256 import write_atomically

OLD, NEW = (hashlib.sha256(content).hexdigest() for content in (b"old", b"new"))


def write(path, content, **settings):
    return write_atomically(path, lambda partial: partial.write_bytes(content), **settings)


def test_file_and_hash_in_a_folder_that_is_made(tmp_path):
    path = tmp_path / "new" / "model.pt"
    assert write(path, b"old") == OLD
    assert path.read_bytes() == b"old"
    # as sha256sum writes it
    assert (path.parent / "model.pt.sha256").read_text() == f"{OLD}  model.pt\n"
    assert write(path, b"new") == NEW
    assert (path.parent / "model.pt.sha256").read_text() == f"{NEW}  model.pt\n"
    assert visible(path.parent) == ["model.pt", "model.pt.sha256"]


def test_a_hash_never_lies_beside_a_file_that_it_is_not_of(tmp_path, monkeypatch):
    path, sidecar = tmp_path / "model.pt", tmp_path / "model.pt.sha256"
    write(path, b"old")
    seen = []

    def watched(function):
        def call(*arguments, **named):
            result = function(*arguments, **named)
            seen.append((path.read_bytes(), sidecar.read_text().split()[0] if sidecar.exists() else None))
            return result

        return call

    for name in ("replace", "unlink", "remove", "link"):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    write(path, b"new")
    monkeypatch.undo()
    # neither hash is there while the file is replaced
    assert (b"new", None) in seen
    assert seen[-1] == (b"new", NEW)
    assert set(seen) <= {(b"old", OLD), (b"old", None), (b"new", None), (b"new", NEW)}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (RuntimeError("torch: write failed\nat line 3"), "torch: write failed"),
        (SafetensorError("no tensor"), "no tensor"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_what_cannot_be_written_changes_nothing(tmp_path, error, reason):
    path = tmp_path / "model.pt"
    write(path, b"old")

    def fail(partial):
        partial.write_bytes(b"ha")
        raise error

    with pytest.raises(InputError) as refused:
        write_atomically(path, fail)
    message = str(refused.value)
    assert message.startswith(f"{path}: cannot be written (")
    assert f"{reason}); check the folder" in message
    assert "\n" not in message
    assert path.read_bytes() == b"old"
    assert (tmp_path / "model.pt.sha256").read_text() == f"{OLD}  model.pt\n"
    assert not partial_files(tmp_path)


def test_other_errors_are_raised_as_they_are(tmp_path):
    def fail(partial):
        raise KeyError("a bug")

    with pytest.raises(KeyError, match="a bug"):
        write_atomically(tmp_path / "model.pt", fail)
    assert not visible(tmp_path)


def test_a_hash_of_the_users_is_not_replaced_either(tmp_path):
    (tmp_path / "model.pt.sha256").write_text("the user's")
    with pytest.raises(InputError, match=r"model\.pt\.sha256: not written by meddino"):
        write(tmp_path / "model.pt", b"new", overwrite=True)
    assert visible(tmp_path) == ["model.pt.sha256"]
