"""Two processes give values and gradients of one with the doubled batch; neighbours in groups of processes."""

import pytest
import torch
import torch.multiprocessing as mp
from self_distillation_on_processes import make_images, make_network, on_process, on_process_of_four, step
from torch.testing import assert_close

from meddino_components.losses import KoLeoLoss


def test_two_processes(tmp_path):
    mp.spawn(on_process, args=(str(tmp_path),), nprocs=2)
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    expected = step(make_network(), *make_images())
    for name, value in expected["losses"].items():
        assert sum(part["losses"][name] for part in found) / 2 == pytest.approx(value, rel=1e-5), name
    for part in found:
        for gradient, expected_gradient in zip(part["gradients"], expected["gradients"], strict=True):
            assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-6)
        assert_close(part["center"], expected["center"])
    assert_close(torch.cat([part["probs"] for part in found], dim=1), expected["probs"])
    # all masked patches are of the first process
    assert found[1]["patch_probs"].shape[0] == 0
    assert_close(found[0]["patch_probs"], expected["patch_probs"])
    alone = step(make_network(), *(x[:, :4] for x in make_images()))
    assert (alone["probs"] - expected["probs"][:, :4]).abs().max() > 1e-2  # the test can tell


@pytest.mark.slow
def test_neighbours_within_groups(tmp_path):
    mp.spawn(on_process_of_four, args=(str(tmp_path),), nprocs=4)
    x = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    found = torch.tensor([torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(4)])
    assert_close(found[:, 0], torch.stack([KoLeoLoss()(images) for images in x]))
    pairs = torch.stack([KoLeoLoss()(x[:2].flatten(0, 1)), KoLeoLoss()(x[2:].flatten(0, 1))])
    assert_close(found[:, 1].view(2, 2).mean(1), pairs)
