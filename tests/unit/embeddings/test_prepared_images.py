"""What an encoder is shown of pictures and volumes."""

from dataclasses import replace

import numpy as np
import torch
from image_selections import SIZE, Counting, selection
from PIL import Image
from volume_files import ct_voxels, save_nifti

from meddino_components.embeddings.prepared_images import EncoderRange, PreparedImages


def test_what_the_encoder_sees_of_a_picture(tmp_path):
    """Its longer side in full, its proportions, the lowest value at the edges, mean and deviation of each channel."""
    Image.fromarray(np.repeat(np.uint8([[51], [153]]), 16, axis=0).repeat(8, axis=1)).save(tmp_path / "a.png")
    samples = selection([tmp_path / "a.png"])
    encoder = Counting(mean=(0.2, 0.4, 0.5), std=(0.1, 0.2, 0.5)).frozen
    image = PreparedImages(samples, encoder=encoder, size_px=32)[0]
    assert image.shape == (1, 3, 32, 32)
    # 32 x 8 pixels: 12 columns on each side are filled up
    torch.testing.assert_close(image[0, :, 31, 16], torch.tensor([4.0, 1.0, 0.2]), rtol=0, atol=1e-5)
    torch.testing.assert_close(image[0, :, 0, 16], torch.tensor([0.0, -1.0, -0.6]), rtol=0, atol=1e-5)
    assert float((image[0, :, :, :12] - image[0, :, :1, 16:17]).abs().max()) < 1e-5
    scan = PreparedImages(samples, encoder=replace(encoder, intensity="scan"), size_px=32)[0]
    torch.testing.assert_close(scan[0, 0, [0, 31], 16], torch.tensor([-1.0, 1.0]), rtol=0, atol=1e-5)


def test_a_slice_without_air_is_filled_up_as_elsewhere(tmp_path):
    """With its own lowest value, not with that of the volume."""
    voxels = ct_voxels(shape=(24, 12, 4))
    voxels[..., 2] = 40
    samples = selection([save_nifti(tmp_path / "a.nii.gz", voxels, (1, 1, 4))], modality="ct", dimensions=3)
    images = PreparedImages(samples, encoder=Counting(intensity="scan").frozen, size_px=24)[0]
    assert float(images[2].std()) < 1e-6
    assert float(images[1].std()) > 0.1


def test_ct_as_pictures_show_it(volumes):
    """HU clipped by the table to 0 to 1, then as the encoder's own pictures."""
    encoder = Counting(mean=(0.5, 0.5, 0.5), std=(0.25, 0.5, 1.0)).frozen
    scans = PreparedImages(volumes, encoder=replace(encoder, intensity="scan"), size_px=SIZE)[0]
    shown = PreparedImages(volumes, encoder=encoder, size_px=SIZE)[0]
    assert shown.shape == (3, 3, SIZE, SIZE)
    shares = shown * torch.tensor(encoder.std).view(3, 1, 1) + 0.5
    assert float(shares.min()) >= -1e-6
    assert float(shares.max()) <= 1 + 1e-6
    torch.testing.assert_close(shares[:, 0], shares[:, 2], rtol=0, atol=1e-5)
    # a straight line of what the project's own networks see
    slope = float((shares[0, 0, 8, 8] - shares[0, 0, 0, 0]) / (scans[0, 0, 8, 8] - scans[0, 0, 0, 0]))
    expected = shares[0, 0, 0, 0] + slope * (scans[0, 0] - scans[0, 0, 0, 0])
    torch.testing.assert_close(shares[0, 0], expected, rtol=0, atol=1e-4)


def test_a_stack_of_pictures_is_scaled_as_a_whole_for_an_encoder_of_scans():
    encoder = Counting(intensity="scan").frozen
    pixels = torch.tensor([0.0, 0.5, 1.0, 0.5]).view(1, 1, 1, 4).expand(1, 2, 2, 4)
    found = EncoderRange.of(encoder).of_picture(pixels, size_px=2)
    assert found.shape == (4, 3, 2, 2)
    torch.testing.assert_close(found.std(correction=0), torch.tensor(1.0))
    torch.testing.assert_close(found[:, 0, 0, 0], torch.tensor([-1.0, 0.0, 1.0, 0.0]) * 2**0.5)


def test_what_cannot_be_read_is_the_reason(tmp_path):
    (tmp_path / "torn.png").write_bytes(b"\x89PNG")
    Image.fromarray(np.full((4, 4), 7, np.uint8)).save(tmp_path / "flat.png")
    samples = selection([tmp_path / "torn.png", tmp_path / "flat.png"])
    images = PreparedImages(samples, encoder=Counting(intensity="scan").frozen, size_px=16)
    assert isinstance(images[0], str)
    assert "torn.png" in images[0]
    assert images[1] == f"{tmp_path / 'flat.png'}: all pixels have one value; expected a picture."
    # for pictures a flat one is a picture
    assert PreparedImages(samples, encoder=Counting().frozen, size_px=16)[1].shape == (1, 3, 16, 16)
