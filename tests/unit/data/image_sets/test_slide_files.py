"""Slides as tiles: where they are, at which resolution, and what is wrong with a file."""

import os
import pickle
import sys

import numpy as np
import pytest
from slide_writing import DARK, require_slide_libraries, section, write_slide, write_tiles

from meddino_components.data.image_sets import TileFolder, Tiling, WholeSlide, slide_of
from meddino_components.errors import InputError

TILING = Tiling(tile_px=32, mpp=0.5)


@pytest.fixture(scope="module")
def pixels():
    """A section on tiles 2 to 4 of rows 1 and 2, of 5 x 8 tiles of 64 pixels and a rest."""
    return section((5 * 64 + 9, 8 * 64 + 30), [(64, 128, 192, 320)])


@pytest.fixture(scope="module")
def slide(pixels, tmp_path_factory):
    return write_slide(tmp_path_factory.mktemp("slide") / "a.tif", pixels, mpp=0.25)


def test_tiles_are_where_the_tissue_is(slide, pixels):
    """At half the resolution of the file, so that a tile has 64 of its pixels."""
    found = slide_of(slide, TILING)
    assert isinstance(found, WholeSlide)
    origins = found.find_tiles()
    assert origins.tolist() == [[64 * x, 64 * y] for y in (1, 2) for x in (2, 3, 4)]
    tile = found.read_tile(origins[1])
    assert (tile.shape, tile.dtype) == ((3, 32, 32), np.float32)
    expected = pixels[64:128, 192:256].reshape(32, 2, 32, 2, 3).mean(axis=(1, 3)).transpose(2, 0, 1) / 255
    # Pillow's filter looks beyond the pixels that a mean takes
    np.testing.assert_allclose(tile.mean(axis=(1, 2)), expected.mean(axis=(1, 2)), atol=2e-3)
    np.testing.assert_allclose(tile, expected, atol=0.04)


@pytest.mark.parametrize("mpp", [0.25, 0.5, 1.0])
def test_tiles_have_the_resolution_that_is_wanted(slide, mpp):
    """From the file's highest level, from between its levels, from the second."""
    found = WholeSlide(slide, Tiling(tile_px=16, mpp=mpp, tissue_share=0.9))
    side = 16 * mpp / 0.25
    assert found.tile_size() == (side, side)
    for x, y in found.find_tiles():
        assert x % side == y % side == 0
        assert 128 <= x <= 320 - side
        assert 64 <= y <= 192 - side
    assert found.read_tile(np.array([128, 64], np.int32)).shape == (3, 16, 16)


def test_how_much_tissue_a_tile_needs(tmp_path):
    pixels = section((128, 192), [(0, 0, 64, 96)])
    path = write_slide(tmp_path / "a.tif", pixels, mpp=0.5)
    half = Tiling(tile_px=64, tissue_share=0.4), Tiling(tile_px=64, tissue_share=0.7)
    assert [len(WholeSlide(path, tiling).find_tiles()) for tiling in half] == [2, 1]


def test_pale_and_dark_tissue_is_found_beside_dust_and_edges(tmp_path):
    pixels = section((256, 512), [(0, 0, 128, 128)])
    pixels[:128, 128:256] = section((128, 128), [(0, 0, 128, 128)], colours=DARK)
    pixels[128:, :128] = 110  # grey
    pixels[128:, 384:] = np.random.default_rng(0).integers(0, 4, (128, 128, 3))  # black with noise
    found = WholeSlide(write_slide(tmp_path / "a.tif", pixels), Tiling(tile_px=128)).find_tiles()
    assert found.tolist() == [[0, 0], [128, 0]]


def test_some_tiles_are_drawn(slide):
    every = WholeSlide(slide, TILING).find_tiles().tolist()

    def drawn(**changes):
        return WholeSlide(slide, Tiling(tile_px=32, mpp=0.5, max_tiles=4, **changes)).find_tiles().tolist()

    state = np.random.get_state()[1].copy()  # noqa: NPY002
    assert drawn() == drawn()
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert drawn() == [origin for origin in every if origin in drawn()]
    assert len({tuple(map(tuple, drawn(seed=seed))) for seed in range(9)}) > 1
    assert len(WholeSlide(slide, Tiling(tile_px=32, max_tiles=99)).find_tiles()) == len(every)


def test_a_slide_without_tissue(tmp_path):
    path = write_slide(tmp_path / "blank.tif", section((128, 128), []))
    with pytest.raises(InputError, match=r"blank\.tif: no tile shows tissue on 25% of it"):
        WholeSlide(path, TILING).find_tiles()


def test_a_resolution_that_is_not_stated(tmp_path):
    path = write_slide(tmp_path / "a.tif", section((128, 128), [(0, 0, 64, 64)]), mpp=None)
    with pytest.raises(InputError, match=r"a\.tif: does not state its microns per pixel. Set unstated_mpp"):
        WholeSlide(path, TILING).find_tiles()
    given = Tiling(tile_px=32, mpp=0.5, unstated_mpp=0.25)
    assert WholeSlide(path, given).find_tiles().tolist() == [[0, 0]]


def test_what_the_file_states_comes_first(slide):
    assert WholeSlide(slide, Tiling(tile_px=32, unstated_mpp=7.0)).tile_size() == (64, 64)


@pytest.mark.parametrize(
    ("tiling", "message"),
    [
        (Tiling(tile_px=32, mpp=0.2), "has 0.25 microns per pixel, coarser than mpp, which is 0.2"),
        (Tiling(tile_px=512, mpp=0.5), "542 x 329 pixels are less than a tile, 1024 x 1024"),
    ],
)
def test_tiles_that_a_slide_cannot_give(slide, tiling, message):
    with pytest.raises(InputError, match=message):
        WholeSlide(slide, tiling).find_tiles()


def test_a_slide_that_is_cut_off_or_something_else(slide, tmp_path):
    whole = slide.read_bytes()
    for name, content in (("cut.tif", whole[: len(whole) // 2]), ("text.svs", b"no slide" * 99), ("empty.tif", b"")):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError, match=name):
            WholeSlide(path, TILING).find_tiles()


def test_pixels_that_are_damaged(slide, tmp_path):
    """The header is whole, and a level points beyond the end of the file."""
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a.tif"
    path.write_bytes(slide.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        place = tiff.pages[0].tags["TileOffsets"].valueoffset
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\xff\xff\xff\x7f" * 20)
    origin = np.array([128, 64], np.int32)
    with pytest.raises(InputError, match=r"a\.tif: cannot be read as a slide"):
        WholeSlide(path, TILING).read_tile(origin)


def test_a_file_without_a_small_level(tmp_path, monkeypatch):
    """The overview would need all of it at once."""
    monkeypatch.setattr("meddino_components.data.image_sets.slide_files._LARGEST_LEVEL", 128 * 128)
    path = write_slide(tmp_path / "a.tif", section((256, 256), [(0, 0, 128, 128)]), factors=(1,))
    with pytest.raises(InputError, match="has no level of fewer than 256 x 256 pixels"):
        WholeSlide(path, Tiling(tile_px=128)).find_tiles()


def test_a_slide_as_one_picture(tmp_path):
    """As BCNB has them: JPEG, without a resolution."""
    require_slide_libraries()
    (tmp_path / "slides").mkdir()
    path = tmp_path / "slides" / "1.jpg"
    write_tiles(tmp_path / "pictures", {"1.jpg": section((128, 192), [(0, 64, 64, 128)])})
    os.replace(tmp_path / "pictures" / "1.jpg", path)
    found = WholeSlide(path, Tiling(tile_px=64, unstated_mpp=0.5))
    assert found.find_tiles().tolist() == [[64, 0]]
    assert found.thumbnail(96).shape == (64, 96, 3)


def test_other_processes_open_it_on_their_own(slide):
    found = WholeSlide(slide, TILING)
    origins = found.find_tiles()
    sent = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(sent.read_tile(origins[0]), found.read_tile(origins[0]))
    handle = found._handle
    found._process = -1  # as after a fork
    np.testing.assert_array_equal(sent.read_tile(origins[0]), found.read_tile(origins[0]))
    assert found._handle is not handle


def test_a_folder_of_tiles(tmp_path):
    tiles = {f"{name}.png": np.full((8, 6, 3), value, np.uint8) for name, value in (("z", 255), ("a 1_2", 51))}
    found = slide_of(write_tiles(tmp_path / "s", tiles), TILING)
    (tmp_path / "s" / "notes.txt").write_text("")
    assert isinstance(found, TileFolder)
    assert found.find_tiles().tolist() == [[0, 0], [1, 0]]
    np.testing.assert_allclose(found.read_tile(np.array([0, 0], np.int32)), np.full((3, 8, 6), 0.2), rtol=1e-6)
    assert len(slide_of(tmp_path / "s", Tiling(max_tiles=1)).find_tiles()) == 1


def test_a_folder_without_tiles(tmp_path):
    with pytest.raises(InputError, match=r"no tile in this folder; expected \.png"):
        slide_of(tmp_path, TILING).find_tiles()


@pytest.mark.parametrize("module", ["openslide", "skimage.filters"])
def test_libraries_that_are_not_installed(slide, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"install the extra 'slides'") as error:
        WholeSlide(slide, TILING).find_tiles()
    assert isinstance(error.value.__cause__, ImportError)
