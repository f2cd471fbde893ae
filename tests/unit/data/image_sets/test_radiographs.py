import numpy as np
import pydicom
import pytest
from picture_files import save_radiograph

from meddino_components.data.image_sets.radiographs import read_radiograph
from meddino_components.errors import InputError


def read(tmp_path, pixels, **tags):
    return read_radiograph(save_radiograph(tmp_path / "a.dcm", pixels, **tags))


def test_eight_bits_by_their_depth(tmp_path):
    pixels = np.array([[0, 51, 102, 204]], np.uint8)
    np.testing.assert_allclose(read(tmp_path, pixels, bits_stored=8), [[[0, 0.2, 0.4, 0.8]]], rtol=1e-6)
    inverted = read(tmp_path, pixels, bits_stored=8, photometric="MONOCHROME1")
    np.testing.assert_allclose(inverted, [[[1, 0.8, 0.6, 0.2]]], rtol=1e-6)


def test_more_bits_from_the_lowest_to_the_highest_value(tmp_path):
    pixels = np.array([[1000, 1500, 3000, 0]], np.uint16)
    for rescale in ({}, {"RescaleSlope": "2", "RescaleIntercept": "-100"}):
        settings = {"bits_stored": 12, "PixelPaddingValue": 0, **rescale}
        np.testing.assert_allclose(read(tmp_path, pixels, **settings), [[[0, 0.25, 1, 0]]], rtol=1e-5)
        inverted = read(tmp_path, pixels, photometric="MONOCHROME1", **settings)
        np.testing.assert_allclose(inverted, [[[1, 0.75, 0, 0]]], rtol=1e-5)


@pytest.mark.parametrize("rescale", [{}, {"RescaleSlope": "2", "RescaleIntercept": "-100"}])
@pytest.mark.parametrize("function", [None, "LINEAR_EXACT", "SIGMOID"])
def test_the_first_window_of_the_file(tmp_path, rescale, function):
    pixels = np.array([[0, 1000, 1250, 1500, 4095]], np.uint16)
    values = pixels[0] * float(rescale.get("RescaleSlope", 1)) + float(rescale.get("RescaleIntercept", 0))
    window = {"WindowCenter": ["1250", "7"], "WindowWidth": ["1001", "9"]}
    if function is None:  # PS3.3 C.11.2.1.2.1
        expected = ((values - 1249.5) / 1000 + 0.5).clip(0, 1)
    else:
        window["VOILUTFunction"] = function
        expected = ((values - 1250) / 1001 + 0.5).clip(0, 1)
        if function == "SIGMOID":
            expected = 1 / (1 + np.exp(-4 * (values - 1250) / 1001))
    settings = {"bits_stored": 12, **window, **rescale}
    np.testing.assert_allclose(read(tmp_path, pixels, **settings)[0, 0], expected, atol=1e-5)
    inverted = read(tmp_path, pixels, photometric="MONOCHROME1", **settings)
    np.testing.assert_allclose(inverted[0, 0], 1 - expected, atol=1e-5)


def test_a_window_of_width_one_is_a_threshold(tmp_path):
    pixels = np.array([[38, 39, 40, 41]], np.uint16)
    found = read(tmp_path, pixels, bits_stored=12, WindowCenter="40", WindowWidth="1")
    assert found.tolist() == [[[0, 0, 1, 1]]]


@pytest.mark.parametrize("first_mapped", [0, 100])
def test_a_lookup_table_comes_before_the_window(tmp_path, first_mapped):
    pixels = np.array([[0, 100, 101, 103, 4095]], np.uint16)
    path = save_radiograph(tmp_path / "a.dcm", pixels, bits_stored=12, WindowCenter="50", WindowWidth="100")
    stored, table = pydicom.dcmread(path), pydicom.Dataset()
    values = [0, 50, 200, 250, 255]
    table.add_new("LUTDescriptor", "US", [len(values), first_mapped, 8])
    table.add_new("LUTData", "US", values)
    stored.VOILUTSequence = [table]
    stored.save_as(path)
    places = (pixels[0].astype(int) - first_mapped).clip(0, len(values) - 1)
    np.testing.assert_allclose(read_radiograph(path)[0, 0], np.array(values)[places] / 255, rtol=1e-6)


def test_signed_values(tmp_path):
    pixels = np.array([[-100, 0, 300]], np.int16)
    settings = {"bits_stored": 16, "signed": True}
    np.testing.assert_allclose(read(tmp_path, pixels, **settings), [[[0, 0.25, 1]]], rtol=1e-6)
    inverted = read(tmp_path, pixels, photometric="MONOCHROME1", **settings)
    np.testing.assert_allclose(inverted, [[[1, 0.75, 0]]], rtol=1e-6)


def test_colours(tmp_path):
    pixels = np.arange(0, 240, 20, dtype=np.uint8).reshape(2, 2, 3)
    picture = read(tmp_path, pixels, bits_stored=8, photometric="RGB")
    np.testing.assert_allclose(picture, np.moveaxis(pixels, -1, 0) / 255, rtol=1e-6)


def test_what_is_refused(tmp_path):
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    for width in ("0", "nan"):
        with pytest.raises(InputError, match=r"a\.dcm: (the window is 40|its VOI LUT or window cannot be applied)"):
            read(tmp_path, pixels, bits_stored=12, WindowCenter="40", WindowWidth=width)
    with pytest.raises(InputError, match="all pixels have the value 5"):
        read(tmp_path, np.full((3, 4), 5, np.uint16), bits_stored=12)
    with pytest.raises(InputError, match=r"a\.dcm: holds 2 frames; expected one"):
        read(tmp_path, pixels.repeat(2, axis=0), bits_stored=12, Rows=3, NumberOfFrames="2")
    path = save_radiograph(tmp_path / "b.dcm", np.zeros((64, 64), np.uint16), bits_stored=12)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"b\.dcm: cannot be read as a DICOM picture: it is truncated"):
        read_radiograph(path)
    with pytest.raises(InputError, match="no such file"):
        read_radiograph(tmp_path / "none.dcm")
