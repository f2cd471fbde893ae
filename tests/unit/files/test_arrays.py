"""Arrays that are mapped from their files."""

import gc

import numpy as np
import pytest

from meddino_components.files import arrays
from meddino_components.files.arrays import ArrayFile

VALUES = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


@pytest.fixture
def saved(tmp_path):
    np.save(tmp_path / "a.npy", VALUES)
    return tmp_path / "a.npy"


def test_the_header_and_the_values(saved):
    file = ArrayFile.of(saved)
    assert (file.path, file.shape, file.dtype) == (str(saved), (2, 3, 4), np.int16)
    # the values are the end of the file
    assert file.offset == saved.stat().st_size - VALUES.nbytes
    np.testing.assert_array_equal(file.mapped(), VALUES)
    with pytest.raises(ValueError, match="read-only"):
        file.mapped()[0, 0, 0] = 1


def test_one_map_of_a_file_however_often_it_is_asked_for(saved):
    arrays._mapped.cache_clear()
    views = [ArrayFile.of(saved).mapped()[k] for k in (0, 1)]
    # also when the cache has forgotten it
    arrays._mapped.cache_clear()
    views.append(ArrayFile.of(saved).mapped()[0])
    assert np.shares_memory(views[0], views[2])
    assert views[0].base is views[1].base is views[2].base


def test_a_file_that_was_replaced_is_read_anew(saved, tmp_path):
    old = ArrayFile.of(saved)
    kept = old.mapped()
    np.save(tmp_path / "b.npy", VALUES + 100)
    (tmp_path / "b.npy").replace(saved)
    new = ArrayFile.of(saved)
    assert new != old
    np.testing.assert_array_equal(new.mapped(), VALUES + 100)
    np.testing.assert_array_equal(kept, VALUES)


def test_maps_beyond_the_limit_are_closed(tmp_path, monkeypatch):
    files = []
    for k in range(30):
        np.save(tmp_path / f"{k}.npy", VALUES + k)
        files.append(ArrayFile.of(tmp_path / f"{k}.npy"))
    limited = arrays.lru_cache(maxsize=4)(arrays._mapped.__wrapped__)
    monkeypatch.setattr(arrays, "_mapped", limited)
    for k, file in enumerate(files):
        assert file.mapped()[0, 0, 0] == k
    gc.collect()
    assert len([file for file in files if file in arrays._in_use]) == 4


@pytest.mark.parametrize(("allowed", "kept"), [(1024, 256), (400, 100), (-1, 256), (1 << 20, 256)])
def test_a_quarter_of_the_files_that_a_process_may_open(monkeypatch, allowed, kept):
    resource = pytest.importorskip("resource")
    assert resource.RLIM_INFINITY == -1
    monkeypatch.setattr(resource, "getrlimit", lambda which: (allowed, allowed))
    assert arrays._open_maps() == kept


def test_what_is_no_whole_array(saved, tmp_path):
    with pytest.raises(FileNotFoundError):
        ArrayFile.of(tmp_path / "lost.npy")
    whole = saved.read_bytes()
    for content, said in ((whole[:-1], "mmap length"), (b"no array", "pickled"), (b"", "is empty")):
        (tmp_path / "b.npy").write_bytes(content)
        with pytest.raises(ValueError, match=said):
            ArrayFile.of(tmp_path / "b.npy")
    file = ArrayFile.of(saved)
    saved.unlink()
    with pytest.raises(FileNotFoundError):
        file.mapped()
