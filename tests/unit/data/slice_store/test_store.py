import json

import numpy as np
import pytest
from slice_stores import in_order, write_store

from meddino_components.data.slice_store.store import SliceStore
from meddino_components.errors import InputError

blosc2 = pytest.importorskip("blosc2")
fsspec = pytest.importorskip("fsspec")


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
    with pytest.raises(InputError, match=r"no store.json.*run the same curation again"):
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
