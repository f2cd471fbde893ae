"""The box holds the body, and cropping to it changes no label."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from torch import nn

from meddino_components.data import body_mask, body_region
from meddino_components.inference import VolumeInferer


class Tissues(nn.Module):
    """Air, fat, soft tissue and bone by the mean of 5 x 5 pixels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        levels = torch.tensor([-600.0, -110.0, 50.0, 500.0]).view(1, -1, 1, 1)
        mean = nn.functional.avg_pool2d(x, 5, stride=1, padding=2, count_include_pad=False)
        return -((mean - (levels - 65.1) / 178.0) ** 2)


def scene(offset: float = -1024.0, scale: float = 1.0) -> torch.Tensor:
    """[1, 200, 240, 30]: a body of 40, a thin cable of 3000 far away, an arm, noise in the air."""
    torch.manual_seed(0)
    volume = torch.randn(1, 200, 240, 30) * 10
    volume[:, 60:140, 50:150, 5:25] = 1064
    volume[:, 90:110, 170:195, 10:20] = 1064
    volume[:, 190:192, 230:232, 0:3] = 4000
    return volume * scale + offset


@pytest.mark.parametrize(("offset", "scale"), [(-1024, 1), (-6, 1 / 178), (-0.5, 0.002)])
def test_box_round_body_and_arm(offset: float, scale: float) -> None:
    rows, columns, depth = body_region(scene(offset, scale), spacing_mm=(2.0, 4.0), margin_mm=20)
    assert (rows, columns, depth) == (slice(50, 150), slice(45, 200), slice(4, 26))


def test_partial_blocks_at_the_end_count() -> None:
    volume = torch.zeros(1, 387, 387, 4)
    volume[:, 300:387, 300:387] = 1000
    rows, columns, depth = body_region(volume, margin_mm=0)
    assert (rows, columns, depth) == (slice(300, 387), slice(300, 387), slice(0, 4))


@pytest.mark.parametrize("volume", [torch.zeros(1, 20, 30, 4), torch.full((1, 20, 30, 4), torch.nan)])
def test_nothing_stands_out(volume: torch.Tensor) -> None:
    assert body_region(volume) == (slice(0, 20), slice(0, 30), slice(0, 4))


def test_any_channel_counts() -> None:
    volume = torch.zeros(2, 40, 40, 10)
    volume[0, 5:10, 5:30, 2:4] = 1
    volume[1, 5:20, 5:10, 6:8] = 1
    assert body_region(volume, margin_mm=0) == (slice(5, 20), slice(5, 30), slice(1, 9))


def test_labels_outside_are_background_and_probabilities_say_so() -> None:
    probabilities = np.zeros((2, 200, 240, 30), np.float16)
    inferer = VolumeInferer(roi_size=(64, 64), crop_to_body=True)

    def network(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.zeros_like(x[:, 0]), torch.ones_like(x[:, 0])], 1)  # always class 1

    labels = inferer(scene()[None], network, probabilities=lambda _: probabilities)[0, 0]
    box = body_region(scene())
    assert labels[box].all()
    assert labels.sum() == labels[box].numel()
    np.testing.assert_array_equal(probabilities[0] == 1, labels.numpy() == 0)


@pytest.mark.skipif("MEDDINO_DATA" not in os.environ, reason="MEDDINO_DATA names no folder of real cases")
def test_real_ct_loses_no_organ() -> None:
    folder = Path(os.environ["MEDDINO_DATA"]) / "totalseg_ct"
    image, labels = (
        np.asarray(nib.as_closest_canonical(nib.load(folder / name)).dataobj).transpose(1, 0, 2)[::-1, ::-1].copy()
        for name in ("example_ct.nii.gz", "example_seg_fast_force_split.nii.gz")
    )
    pad = ((40, 20), (30, 30), (0, 0))  # a large field of view
    image, labels = np.pad(image, pad, constant_values=-1000), np.pad(labels, pad)
    volume = (torch.from_numpy(image).float().clamp(-1000, 1000) - 65.1) / 178.0
    box = body_region(volume[None], spacing_mm=(3, 3))
    assert np.prod([s.stop - s.start for s in box]) < 0.75 * volume.numel()
    assert (labels[box] > 0).sum() == (labels > 0).sum()

    case = MetaTensor(volume[None, None], affine=torch.diag(torch.tensor([3.0, 3, 3, 1], dtype=torch.float64)))
    whole, cropped = (
        VolumeInferer(roi_size=(96, 96), pixdim=2.0, crop_to_body=crop)(case, Tissues()).as_tensor()[0, 0].numpy()
        for crop in (False, True)
    )
    for tissue in (1, 2, 3):
        overlap = 2 * ((whole == tissue) & (cropped == tissue)).sum()
        assert overlap / ((whole == tissue).sum() + (cropped == tissue).sum()) >= 0.99


def test_body_mask_leaves_the_couch_and_keeps_what_is_enclosed():
    image = np.full((100, 120), -1000.0)
    image[20:70, 20:100] = 40
    image[30:50, 30:60] = -1000  # lung
    image[70:72, 10:110] = -100  # a sheet that touches the back
    image[80:84, 5:115] = 200  # a couch
    image[5:8, 5:8] = 500  # a cable
    for spacing, pixels in (((1.0, 1.0), image), ((0.5, 0.5), image.repeat(2, 0).repeat(2, 1))):
        body = body_mask(pixels, modality="ct", spacing_mm=spacing)
        step = round(1 / spacing[0])
        expected = np.zeros((100, 120), bool)
        expected[20:72, 20:100] = True  # what of the sheet lies under the back cannot be told from it
        wrong = body[::step, ::step] != expected
        assert wrong.sum() < 0.03 * expected.sum()
        assert not body[::step, ::step][76:].any()
        assert body[::step, ::step][25:65, 25:95].all()
        # any scale
        np.testing.assert_array_equal(body_mask((pixels - 65) / 178, modality="ct", spacing_mm=spacing), body)


def test_body_mask_of_dark_tissue_in_mr_and_of_nothing():
    image = np.zeros((100, 100))
    image[10:90, 10:90] = 300  # scalp
    image[15:85, 15:85] = 0  # skull
    image[20:80, 20:80] = 50
    image[:, 48:52][10:20] = 0  # an open wall
    mask = body_mask(image, modality="mr")
    assert mask[15:85, 15:85].all()
    assert not mask[:8].any()
    assert not body_mask(np.full((30, 30), -1000.0), modality="ct").any()


def test_body_mask_goes_on_at_the_edge_of_the_slice():
    assert body_mask(np.r_[np.full((20, 60), -1000.0), np.full((40, 60), 40.0)], modality="ct")[20:].all()
