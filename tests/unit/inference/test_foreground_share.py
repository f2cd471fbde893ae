"""What MONAI Label's epistemic scoring compares: background and foreground, whatever the classes."""

import numpy as np
import pytest
import torch

from meddino_components.data import brats_regions
from meddino_components.inference import VolumeInferer


class Scores(torch.nn.Module):
    """Scores of three outputs that depend on the pixel alone."""

    def forward(self, x):
        return torch.cat([x, -x, 2 * x - 1], dim=1)


@pytest.mark.parametrize("regions", [None, brats_regions("brats2021")])
def test_shares_are_those_of_the_probabilities(regions):
    volume = torch.randn(1, 1, 20, 18, 5)
    settings = {"roi_size": (16, 16), "regions": regions}
    probabilities = np.zeros((3, 20, 18, 5), np.float16)
    VolumeInferer(**settings)(volume, Scores(), probabilities=lambda n_classes: probabilities)
    shares = VolumeInferer(**settings, foreground_share=True)(volume, Scores())
    assert shares.shape == (1, 2, 20, 18, 5)
    assert shares.dtype == torch.float32
    foreground = probabilities[0] if regions else 1 - probabilities[0]
    np.testing.assert_allclose(shares[0, 1].numpy(), foreground, atol=2e-3)
    np.testing.assert_allclose(shares.sum(dim=1).numpy(), 1, atol=2e-3)


@pytest.mark.parametrize("regions", [None, brats_regions("brats2021")])
def test_outside_the_body_is_background(regions):
    volume = torch.full((1, 1, 200, 200, 3), -1.0)
    volume[:, :, 80:120, 80:120] = 1.0
    inferer = VolumeInferer(roi_size=(16, 16), regions=regions, crop_to_body=True, foreground_share=True)
    shares = inferer(volume, Scores())[0]
    assert shares[0, 0, 0, 0] == 1
    assert shares[1, 0, 0, 0] == 0


def test_shares_and_probabilities_exclude_each_other():
    with pytest.raises(ValueError, match="exclude each other"):
        VolumeInferer(roi_size=(16, 16), foreground_share=True)(torch.zeros(1, 1, 16, 16, 1), Scores(), lambda k: None)
