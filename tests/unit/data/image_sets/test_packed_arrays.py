import zipfile

import numpy as np
import pytest

from meddino_components.data.image_sets.packed_arrays import array_headers, packed_array
from meddino_components.errors import InputError

PICTURES = np.random.default_rng(0).integers(0, 255, (50, 16, 16), np.uint8)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_mapped_and_read_once(tmp_path, save, monkeypatch):
    path = tmp_path / "a.npz"
    save(path, first=np.zeros(3), pictures=PICTURES, fortran=np.asfortranarray(PICTURES), empty=np.zeros((0, 4)))
    header = array_headers(path)["pictures"]
    assert (header.shape, header.dtype) == ((50, 16, 16), np.uint8)
    array = packed_array(path, "pictures")
    assert isinstance(array, np.memmap)
    np.testing.assert_array_equal(array, PICTURES)
    np.testing.assert_array_equal(packed_array(path, "fortran"), PICTURES)
    assert packed_array(path, "empty").shape == (0, 4)
    monkeypatch.setattr(zipfile, "ZipFile", None)  # nothing is opened again
    assert packed_array(path, "pictures") is array


def test_a_file_that_changed_is_read_anew(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(4))
    assert packed_array(path, "x").sum() == 6
    path.unlink()
    np.savez(path, x=np.arange(5))
    assert packed_array(path, "x").sum() == 10


def test_objects_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.array([{"a": 1}, None], dtype=object))
    with pytest.raises(InputError, match=r"a\.npz: 'x' is an array of Python objects, which are not read"):
        array_headers(path)
    with pytest.raises(InputError, match="may run code"):
        packed_array(path, "x")


def test_damaged_files(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=PICTURES)
    content = path.read_bytes()
    with pytest.raises(InputError, match=r"no array 'y'\. The file holds x"):
        packed_array(path, "y")
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 255
    for name, data, message in (
        ("cut.npz", content[: len(content) // 2], "truncated or damaged"),
        ("flipped.npz", bytes(flipped), "truncated or damaged"),
        ("text.npz", b"no archive", "not an .npz file"),
        ("empty.npz", b"", "zero bytes"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=message) as error:
            packed_array(tmp_path / name, "x")
        assert name in str(error.value)
    with pytest.raises(InputError, match="no such file"):
        packed_array(tmp_path / "none.npz", "x")


def test_a_header_that_claims_too_much(tmp_path):
    np.save(tmp_path / "x.npy", PICTURES)
    content = (tmp_path / "x.npy").read_bytes().replace(b"(50, 16, 16), }      ", b"(500000, 16, 16), }  ")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(InputError, match="the header claims 128,000,000 bytes of voxels"):
        packed_array(tmp_path / "a.npz", "x")
