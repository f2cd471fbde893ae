"""Scores of windows, blended and mirrored, against MONAI's sliding window."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from labels_as_images import labels_volume
from monai.inferers import sliding_window_inference
from torch import Tensor, nn

from meddino_components.inference import VolumeInferer
from meddino_components.inference.slice_scorer import SliceScorer, gaussian_weights

WEIGHTS = {"gaussian": gaussian_weights((32, 48)), "constant": torch.ones(32, 48)}


def test_gaussian_weights_are_centred_where_nnunet_has_them() -> None:
    weights = gaussian_weights((64, 96))
    assert weights[32, 48] == weights.max() == 1
    # a standard deviation of an eighth of the side: 8 rows and 12 columns
    assert weights[40, 48] == pytest.approx(np.exp(-0.5), rel=1e-3)
    assert weights[32, 60] == pytest.approx(np.exp(-0.5), rel=1e-3)
    assert weights[24, 36] == pytest.approx(np.exp(-1.0), rel=1e-3)
    assert 0 < weights.min() < 1e-6


@pytest.mark.parametrize("mode", ["gaussian", "constant"])
@pytest.mark.parametrize("size", [(75, 90), (32, 64), (20, 70)])
def test_probabilities_equal_monai_sliding_window_with_the_same_weights(mode: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = nn.Conv2d(1, 3, 9, padding=4)  # its zero padding makes each window's answer differ at the edges
    image = torch.rand(1, 1, *size, 3)
    expected = [
        sliding_window_inference(
            image[..., k], (32, 48), 2, network, overlap=0.5, cval=float(image.min()), roi_weight_map=WEIGHTS[mode]
        ) for k in range(3)
    ]  # fmt: skip
    got = np.zeros((3, *size, 3), np.float32)
    result = VolumeInferer(roi_size=(32, 48), mode=mode)(image, network, probabilities=lambda _: got)
    for k, logits in enumerate(expected):
        np.testing.assert_allclose(got[..., k], logits.softmax(1)[0].detach().numpy(), atol=5e-4)  # through float16
        assert torch.equal(result[0, 0, ..., k], logits.argmax(1)[0].to(torch.uint8))


@pytest.mark.parametrize("mode", ["gaussian", "constant"])
def test_scores_equal_monai_sliding_window_with_the_same_weights(mode: str) -> None:
    torch.manual_seed(0)
    network, image = nn.Conv2d(2, 5, 9, padding=4), torch.rand(3, 2, 75, 40)
    scorer = SliceScorer(
        network=network, image_size=(75, 40), roi_size=(32, 48), overlap=0.6, mode=mode, mirror_axes=(),
        device=torch.device("cpu"),
    )  # fmt: skip
    with torch.no_grad():
        expected = sliding_window_inference(image, (32, 48), 4, network, overlap=0.6, roi_weight_map=WEIGHTS[mode])
        torch.testing.assert_close(scorer(image, torch.zeros(2)), expected, atol=1e-5, rtol=0)


def test_mirroring_averages_logits_of_all_combinations() -> None:
    """A network that answers by position: under a mirror the position changes, the image does not."""

    class Position(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            rows = torch.arange(x.shape[2]).view(1, 1, -1, 1).expand(x.shape[0], 1, *x.shape[2:])
            columns = torch.arange(x.shape[3]).view(1, 1, 1, -1).expand(x.shape[0], 1, *x.shape[2:])
            return torch.cat([rows + 0.0 * x, columns + 10.0 * x, torch.full_like(x, 1.6)], 1).float()

    image = torch.zeros(1, 1, 4, 8, 1)
    logits = np.zeros((3, 4, 8, 1), np.float32)
    VolumeInferer(roi_size=(4, 8), mirror_axes=(0, 1))(image, Position(), probabilities=lambda _: logits)
    expected = torch.softmax(torch.tensor([1.5, 3.5, 1.6]), 0).numpy()  # mean row, mean column, constant
    np.testing.assert_allclose(logits, np.broadcast_to(expected[:, None, None, None], logits.shape), atol=1e-3)
    VolumeInferer(roi_size=(4, 8), mirror_axes=(0,))(image, Position(), probabilities=lambda _: logits)
    columns = torch.softmax(torch.tensor([[1.5, c, 1.6] for c in range(8)]), 1).numpy()
    np.testing.assert_allclose(logits[:, 2, :, 0], columns.T, atol=1e-3)


def test_mirroring_does_not_write_to_the_networks_buffer() -> None:
    image = labels_volume(16, 16, 2).repeat(1, 2, 1, 1, 1)
    before = image.clone()
    VolumeInferer(roi_size=(16, 16), mirror_axes=(0, 1))(image, nn.Identity())
    assert torch.equal(image, before)
