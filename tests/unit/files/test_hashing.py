"""Hashes of files of any size, and data that are on the disk."""

import hashlib
import os

import pytest

from meddino_components.files.hashing import flush, sha256_of


@pytest.mark.parametrize("size", [0, 3, 1 << 20, (1 << 20) + 1, 3_000_000])
def test_the_hash_is_that_of_the_whole_content(tmp_path, size):
    content = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "a").write_bytes(content[:size])
    assert sha256_of(tmp_path / "a") == sha256_of(str(tmp_path / "a")) == hashlib.sha256(content[:size]).hexdigest()


def test_a_known_hash(tmp_path):
    """The example of FIPS 180-2, appendix B.1."""
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_files_and_folders_are_flushed_and_closed(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"abc")
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda number: flushed.append((number, os.fstat(number).st_ino)))
    for path in (tmp_path / "a", tmp_path):
        flush(path)
    assert [inode for _, inode in flushed] == [(tmp_path / "a").stat().st_ino, tmp_path.stat().st_ino]
    for number, _ in flushed:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)


def test_a_flush_that_fails_leaves_no_file_open(tmp_path, monkeypatch):
    numbers = []

    def fail(number):
        numbers.append(number)
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        flush(tmp_path)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(numbers[0])
