"""Two processes are started once for all losses."""

import pytest
import torch
from every_loss_on_processes import on_process
from segmentation_losses import network_and_images
from segmentation_losses import step as segmentation_step
from self_distillation_losses import make_images, make_network
from self_distillation_losses import step as self_distillation_step
from several_processes import on_processes
from torch.testing import assert_close


@pytest.fixture(scope="session")
def on_two_processes(tmp_path_factory):
    """What each of two processes found, by its rank."""
    folder = tmp_path_factory.mktemp("processes")
    on_processes(on_process, folder)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.fixture
def check_segmentation_loss(on_two_processes):
    """Two processes give value and gradients of one with the doubled batch."""

    def check(name):
        network, images, labels = network_and_images()
        expected_loss, expected_gradients = segmentation_step(network, images, labels, name)
        for found in on_two_processes:
            loss, gradients = found["segmentation"][name]
            assert loss == pytest.approx(expected_loss, rel=1e-6)
            for gradient, expected in zip(gradients, expected_gradients, strict=True):
                assert_close(gradient, expected, rtol=1e-5, atol=1e-6)
        alone = segmentation_step(network, images[:2], labels[:2], name)
        assert abs(alone[0] - expected_loss) > 1e-2  # the test can tell

    return check


@pytest.fixture(scope="session")
def distilled_alone():
    """What one process finds for the doubled batch."""
    return self_distillation_step(make_network(), *make_images())


@pytest.fixture
def distilled_apart(on_two_processes):
    """What each of two processes finds for its half of the batch."""
    return [found["self-distillation"] for found in on_two_processes]


@pytest.fixture
def check_self_distillation_loss(distilled_apart, distilled_alone):
    """The mean over two processes is the value of one with the doubled batch; each has the gradients of one."""

    def check(name):
        values = [found["losses"][name] for found in distilled_apart]
        assert sum(values) / 2 == pytest.approx(distilled_alone["losses"][name], rel=1e-5)
        for found in distilled_apart:
            for gradient, expected in zip(found["gradients"][name], distilled_alone["gradients"][name], strict=True):
                assert_close(gradient, expected, rtol=1e-4, atol=1e-6)

    return check
