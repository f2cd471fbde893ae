"""Stamps change with what a reader would read, and with nothing else."""

import os

import pytest

from meddino_components.data.volumes.stamps import file_stamp


def test_a_file(tmp_path):
    path = tmp_path / "a.png"
    assert file_stamp(path) == ()
    path.write_bytes(b"one")
    first = file_stamp(path)
    (tmp_path / "b.png").write_bytes(b"another")
    assert file_stamp(str(path)) == first
    os.utime(path, ns=(1, 1))
    assert file_stamp(path) == (("a.png", 3, 1),)
    assert first != file_stamp(path)


def test_a_file_of_a_folder_that_is_written_in_place(tmp_path):
    """The folder's own time stays."""
    for name in ("b", "a"):
        (tmp_path / name).write_bytes(b"1234")
        os.utime(tmp_path / name, ns=(5, 5))
    (tmp_path / "below").mkdir()
    status, first = os.stat(tmp_path), file_stamp(tmp_path)
    assert first == (("a", 4, 5), ("b", 4, 5))
    (tmp_path / "below" / "c").write_bytes(b"")
    assert file_stamp(tmp_path) == first
    with open(tmp_path / "a", "r+b") as file:
        file.write(b"5")
    assert os.stat(tmp_path).st_mtime_ns == status.st_mtime_ns
    assert file_stamp(tmp_path) != first
    os.utime(tmp_path / "a", ns=(5, 5))
    assert file_stamp(tmp_path) == first
    (tmp_path / "a").rename(tmp_path / "c")
    assert file_stamp(tmp_path) == (("b", 4, 5), ("c", 4, 5))


@pytest.mark.parametrize(("header", "values"), [("a.mhd", "a.raw"), ("a.NHDR", "a.raw.gz"), ("a.mrxs", "a/Data.dat")])
def test_what_lies_beside_a_header(tmp_path, header, values):
    (tmp_path / values).parent.mkdir(exist_ok=True)
    (tmp_path / header).write_bytes(b"header")
    (tmp_path / values).write_bytes(b"values")
    first = file_stamp(tmp_path / header)
    (tmp_path / values).write_bytes(b"other values")
    assert file_stamp(tmp_path / header) != first
