"""The square that is encoded, places on it, the body."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from planted_scans import grey_encoder, planted_slice, write_scan
from torch.testing import assert_close

from meddino_components.data.image_sets.image_set import Sample, Selection
from meddino_components.embeddings.prepared_images import PreparedImages
from meddino_components.errors import InputError
from meddino_components.figures import read_scan
from meddino_components.figures.scan_slice import middle_of, patch_at, scan_window


@pytest.mark.parametrize("intensity", ["scan", "picture"])
def test_input_is_that_of_embeddings(tmp_path, intensity):
    """A figure shows what `embed` makes of a scan."""
    path = write_scan(tmp_path / "scan.nii.gz")
    encoder = grey_encoder(intensity=intensity)
    sample = Sample(sample_id="a", image=str(path), index=None, patient="a", split="test", labels=(0,))
    selection = Selection(
        name="s", samples=(sample,), label_names=("a",), multi_label=False, dimensions=3, modality="ct"
    )
    expected = PreparedImages(selection, encoder=encoder, size_px=96)[0][2]
    found = read_scan(path, modality="ct").slice(2).encoder_input(encoder, 96)
    assert found.shape == ((1 if intensity == "scan" else 3), 96, 96)
    assert_close(found, expected)


def test_places_lie_over_each_other(tmp_path):
    slice_ = planted_slice(tmp_path)
    assert slice_.side_mm == 128
    assert (slice_.box.left, slice_.box.right, slice_.box.top, slice_.box.bottom) == (0, 1, 0.125, 0.875)
    assert slice_.to_square(0, 0) == pytest.approx((0.5 / 64, 0.125 + 0.5 / 64))
    for size in (64, 128, 512):
        grid = (size // 4, size // 4)
        x, y = slice_.to_square(20.0, 17.0)
        shown = slice_.encoder_input(grey_encoder(), size)[0]
        value = shown[int(y * size), int(x * size)]
        assert_close(value, slice_.normalised[20, 17], atol=0.01, rtol=0)
        at = middle_of(patch_at(x, y, grid), grid)
        assert max(abs(at[0] - x), abs(at[1] - y)) <= 0.5 / grid[0]


def test_corners_of_the_square_are_patches():
    assert patch_at(0, 0, (4, 4)) == 0
    assert patch_at(1, 1, (4, 4)) == 15
    assert patch_at(0.99, 0.26, (4, 4)) == 7


def test_body_and_what_shows_it(tmp_path):
    slice_ = planted_slice(tmp_path)
    share = (slice_.body == (slice_.image > -500)).mean()
    assert share > 0.98  # opening rounds the corners of the box
    assert slice_.is_body(0.5, 0.5)
    assert not slice_.is_body(0.01, 0.5)
    assert not slice_.is_body(0.5, 0.05)  # beyond the slice
    box = slice_.body_box
    assert (box.left, box.right) == pytest.approx((8 / 64 - 0.02, 56 / 64 + 0.02))
    patches = slice_.body_patches((32, 32)).view(32, 32)
    # the slice begins in the fifth of 32 rows of patches, the body six pixels below
    assert not patches[:7].any()
    assert patches[8:24, 5:27].all()


def test_wide_holes_stay_the_body_s_own(tmp_path):
    scan = read_scan(write_scan(tmp_path / "a.nii.gz"), modality="ct")
    scan.voxels[14:30, 20:40, 2] = -1000  # gas
    assert scan.slice(2).body[15:29, 21:39].all()


@pytest.mark.parametrize("size", [0, 4, 130])
def test_sizes_are_multiples_of_the_patch(tmp_path, size):
    with pytest.raises(
        InputError, match=r"size \d+ px: grey needs a multiple of its patch size, 4 px, .*\. Use (8|128) or"
    ):
        planted_slice(tmp_path).encoder_input(grey_encoder(), size)


def test_the_one_size_of_an_encoder(tmp_path):
    encoder = replace(grey_encoder(), fixed_size_px=32)
    assert planted_slice(tmp_path).encoder_input(encoder, 32).shape[-1] == 32
    with pytest.raises(InputError, match="size_px is 64; grey takes 32 alone"):
        planted_slice(tmp_path).encoder_input(encoder, 64)


def test_window(tmp_path):
    slice_ = planted_slice(tmp_path)
    assert slice_.grey_window() == (-160.0, 240.0)
    assert scan_window([slice_], (0.0, 80.0)) == (0.0, 80.0)
    path = tmp_path / "mr.nii.gz"
    signal = np.asarray(nib.load(write_scan(path)).dataobj) + 1000
    noise = np.random.default_rng(0).integers(0, 20, signal.shape)
    nib.save(nib.Nifti1Image((signal + noise).astype(np.int16), np.eye(4)), path)
    low, high = read_scan(path, modality="mr").slice(2).grey_window()
    assert 990 < low < 1020
    assert 1590 < high < 1625
