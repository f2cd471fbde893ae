import numpy as np
import pytest
from picture_files import sample_of, save_picture, save_radiograph
from PIL import Image

from meddino_components.data.image_sets import load_picture
from meddino_components.errors import InputError

GREY = np.array([[0, 51, 102], [153, 204, 255]], np.uint8)
COLOUR = np.stack([GREY, GREY[::-1], GREY // 2], axis=-1)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_grey_and_colour_pictures(tmp_path, suffix):
    picture = load_picture(sample_of(save_picture(tmp_path / f"ü 1.{suffix}", GREY)))
    assert picture.dtype == np.float32
    np.testing.assert_allclose(picture, [[[0, 0.2, 0.4], [0.6, 0.8, 1]]], rtol=1e-6)
    picture = load_picture(sample_of(save_picture(tmp_path / f"c.{suffix}", COLOUR)))
    np.testing.assert_allclose(picture, np.moveaxis(COLOUR, -1, 0) / 255, rtol=1e-6)


def test_jpeg(tmp_path):
    picture = load_picture(sample_of(save_picture(tmp_path / "a.jpg", np.full((8, 5), 100, np.uint8))))
    assert picture.shape == (1, 8, 5)
    np.testing.assert_allclose(picture, 100 / 255, atol=0.01)


def test_opaque_alpha_palettes_and_bits(tmp_path):
    opaque = np.concatenate([COLOUR, np.full((2, 3, 1), 255, np.uint8)], axis=-1)
    expected = np.moveaxis(COLOUR, -1, 0) / 255
    np.testing.assert_allclose(load_picture(sample_of(save_picture(tmp_path / "a.png", opaque))), expected, rtol=1e-6)
    Image.fromarray(COLOUR).quantize(256).save(tmp_path / "p.png")
    np.testing.assert_allclose(load_picture(sample_of(tmp_path / "p.png")), expected, atol=0.02)
    Image.fromarray(GREY > 100).save(tmp_path / "b.png")
    np.testing.assert_array_equal(load_picture(sample_of(tmp_path / "b.png")), [GREY > 100])
    opaque[0, 0, 3] = 254
    with pytest.raises(InputError, match=r"t\.png: is transparent in part"):
        load_picture(sample_of(save_picture(tmp_path / "t.png", opaque)))


def test_sixteen_bits_are_stretched(tmp_path):
    pixels = np.array([[100, 600, 1100], [100, 350, 1100]], np.uint16)
    expected = [[[0, 0.5, 1], [0, 0.25, 1]]]
    np.testing.assert_allclose(load_picture(sample_of(save_picture(tmp_path / "a.png", pixels))), expected, rtol=1e-6)
    np.testing.assert_allclose(load_picture(sample_of(save_picture(tmp_path / "a.tif", pixels))), expected, rtol=1e-6)
    with pytest.raises(InputError, match="all pixels have the value 9"):
        load_picture(sample_of(save_picture(tmp_path / "c.png", np.full((2, 2), 9, np.uint16))))


def test_a_photograph_is_turned_as_its_tag_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to the right
    Image.fromarray(GREY).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_allclose(load_picture(sample_of(tmp_path / "a.png"))[0] * 255, np.rot90(GREY, -1), rtol=1e-5)


def test_a_dicom_file_of_any_name(tmp_path):
    save_radiograph(tmp_path / "IM0001", GREY, bits_stored=8)
    np.testing.assert_allclose(load_picture(sample_of(tmp_path / "IM0001")), GREY[None] / 255, rtol=1e-6)


def test_damaged_and_other_files_are_named(tmp_path):
    whole = save_picture(tmp_path / "whole.png", np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:2000])
    photo = save_picture(tmp_path / "whole.jpg", np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
    (tmp_path / "cut.jpg").write_bytes(photo.read_bytes()[:900])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    for name, message in {
        "cut.png": "truncated or damaged",
        "cut.jpg": "truncated or damaged",
        "text.png": "Expected PNG, JPEG, BMP, TIFF or DICOM",
        "empty.png": "zero bytes",
        "none.png": "no such file",
    }.items():
        with pytest.raises(InputError, match=message) as error:
            load_picture(sample_of(tmp_path / name))
        assert str(tmp_path / name) in str(error.value)


def test_stacks_and_numbers_of_other_kinds(tmp_path):
    pages = [Image.fromarray(GREY)] * 2
    pages[0].save(tmp_path / "two.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match="holds 2 pictures; expected one"):
        load_picture(sample_of(tmp_path / "two.tif"))
    with pytest.raises(InputError, match="pixels of kind F"):
        load_picture(sample_of(save_picture(tmp_path / "f.tif", GREY.astype(np.float32))))


def test_pictures_and_volumes_of_an_npz(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "train_images": rng.integers(0, 255, (5, 6, 7), np.uint8),
        "val_images": rng.integers(0, 255, (5, 6, 7, 3), np.uint8),
        "test_images": rng.integers(0, 255, (5, 6, 7, 8), np.uint8),
    }
    for save in (np.savez, np.savez_compressed):
        path = tmp_path / f"{save.__name__}.npz"
        save(path, **arrays)
        grey, colour, volume = (load_picture(sample_of(path, 2, split)) for split in ("train", "val", "test"))
        np.testing.assert_allclose(grey, arrays["train_images"][2][None] / 255, rtol=1e-6)
        np.testing.assert_allclose(colour, np.moveaxis(arrays["val_images"][2], -1, 0) / 255, rtol=1e-6)
        assert volume.shape == (1, 7, 8, 6)
        np.testing.assert_allclose(volume[0, ..., 4], arrays["test_images"][2, 4] / 255, rtol=1e-6)
    with pytest.raises(InputError, match="no image 5 in 'train_images', which contains 5"):
        load_picture(sample_of(path, 5))


def test_an_npz_of_other_numbers(tmp_path):
    np.savez(tmp_path / "a.npz", train_images=np.zeros((2, 3, 3)))
    with pytest.raises(InputError, match="'train_images' holds float64; expected 8 or 16 bits"):
        load_picture(sample_of(tmp_path / "a.npz", 0))
    np.savez(tmp_path / "b.npz", train_images=np.arange(18, dtype=np.uint16).reshape(2, 3, 3))
    np.testing.assert_allclose(load_picture(sample_of(tmp_path / "b.npz", 1)).ravel(), np.arange(9) / 8, rtol=1e-6)
