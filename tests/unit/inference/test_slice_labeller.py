"""As many slices at a time as memory allows; labels and probabilities of classes and of regions within each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from labels_as_images import ShortOfMemory, Thresholds, labels_volume
from torch import Tensor, nn

from meddino_components.data import brats_regions
from meddino_components.errors import InputError
from meddino_components.inference import VolumeInferer

REGIONS = brats_regions("brats2021")


@pytest.mark.parametrize("message", ["DefaultCPUAllocator: can't allocate memory", "CUDA error: out of memory"])
def test_out_of_memory_halves_the_batch(message: str) -> None:
    image, network = labels_volume(16, 16, 40), ShortOfMemory(message=message)
    result = VolumeInferer(roi_size=(16, 16), slice_batch_size=8)(image, network)
    assert torch.equal(result, image.to(torch.uint8))
    assert max(b[0] for b in network.batches) == 2


def test_out_of_memory_with_one_slice_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(InputError, match=r"slice 0: out of memory with a single slice.*smaller roi_size"):
        VolumeInferer(roi_size=(16, 16))(labels_volume(16, 16, 3), ShortOfMemory(most=0))


def test_other_errors_of_the_network_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        VolumeInferer(roi_size=(16, 16))(labels_volume(16, 16, 3), ShortOfMemory(0, "shapes cannot be multiplied"))


@pytest.mark.parametrize("k", [0, 3, 37])
def test_not_finite_scores_name_the_slice(k: int) -> None:
    image = labels_volume(16, 16, 40)
    image[0, 0, 3, 5, k] = torch.nan
    with pytest.raises(InputError, match=f"slice {k}:"):
        VolumeInferer(roi_size=(16, 16))(image, Thresholds())


def test_classes_bound_the_slices_in_flight() -> None:
    inferer = VolumeInferer(roi_size=(64, 64), slice_batch_size=16, score_memory_mb=1)
    most = {}
    for n_classes in (4, 16, 64):
        network = Thresholds(n_classes)
        image = labels_volume(64, 64, 33, n_classes=n_classes)
        assert torch.equal(inferer(image, network), image.to(torch.uint8))
        most[n_classes] = max(b[0] for b in network.batches)
    assert most == {4: 16, 16: 4, 64: 1}  # 64 x 64 pixels of float32: 16 KiB a class


class FirstThree(nn.Module):
    """Scores are the first three channels."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return x[:, :3]


@pytest.mark.parametrize("convention", ["brats2021", "brats2023", "msd"])
def test_volume_to_labels_of_the_convention(convention: str) -> None:
    regions = brats_regions(convention)
    image = torch.randn(1, 4, 10, 12, 5)
    labels = VolumeInferer(roi_size=(16, 16), regions=regions)(image, FirstThree())
    whole, core, enhancing = (image[0, :3] > 0).unbind(0)
    inner = [regions.written[2], regions.written[1], regions.written[0]]
    expected = torch.where(enhancing, inner[0], torch.where(core, inner[1], torch.where(whole, inner[2], 0)))
    assert torch.equal(labels[0, 0].long(), expected)


def test_probabilities_are_sigmoids() -> None:
    image = torch.randn(1, 4, 8, 8, 3)
    got = np.zeros((3, 8, 8, 3), np.float32)
    VolumeInferer(roi_size=(8, 8), regions=REGIONS)(image, FirstThree(), probabilities=lambda n: got[:n])
    np.testing.assert_allclose(got, image[0, :3].sigmoid().numpy(), atol=1e-3)


def test_a_network_of_other_outputs_is_refused() -> None:
    class Two(FirstThree):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :2]

    with pytest.raises(InputError, match="returns 2 scores per pixel; expected whole tumour, tumour core, enhancing"):
        VolumeInferer(roi_size=(8, 8), regions=REGIONS)(torch.zeros(1, 4, 8, 8, 1), Two())
