"""Distances to nearest neighbours."""

import math

import pytest
import torch
from every_loss_on_processes import koleo_on_process_of_four
from several_processes import on_processes
from torch.testing import assert_close

from meddino_components.losses import KoLeoLoss


def test_points_on_a_circle_by_hand():
    degrees = torch.tensor([0.0, 10.0, 50.0, 180.0])
    x = 3 * torch.stack((torch.deg2rad(degrees).cos(), torch.deg2rad(degrees).sin()), dim=1)  # length is of no account
    chord = {angle: math.log(2 * math.sin(math.radians(angle / 2))) for angle in (10, 40, 50, 130, 170, 180)}
    nearest = -(chord[10] + chord[10] + chord[40] + chord[130]) / 4
    assert KoLeoLoss()(x).item() == pytest.approx(nearest, rel=1e-5)
    second = -(chord[50] + chord[40] + chord[50] + chord[170]) / 4
    assert KoLeoLoss(topk=2)(x).item() == pytest.approx((nearest + second) / 2, rel=1e-5)


@pytest.mark.parametrize("topk", [1, 2, 4])
def test_gradient_is_that_of_finite_differences(topk):
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(KoLeoLoss(topk=topk), x)


def test_equal_images_give_a_finite_loss():
    x = torch.ones(3, 4, requires_grad=True)
    loss = KoLeoLoss()(x)
    loss.backward()
    assert loss.isfinite()
    assert x.grad.isfinite().all()


def test_autocast_does_not_lower_the_precision():
    x = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
    expected = KoLeoLoss()(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert_close(KoLeoLoss()(x), expected, rtol=0, atol=0)
    assert KoLeoLoss()(x.bfloat16()).dtype == torch.float32


def test_refuses_fewer_images_than_neighbours():
    with pytest.raises(ValueError, match="2 nearest neighbours need at least 3 images, got 2"):
        KoLeoLoss(topk=2)(torch.eye(2))


def test_refuses_groups_that_do_not_divide_the_processes():
    with pytest.raises(ValueError, match="1 processes do not divide into groups of 2"):
        KoLeoLoss(ranks_per_group=2)(torch.eye(3))


def test_two_processes_give_value_and_gradient_of_one_with_the_doubled_batch(check_self_distillation_loss):
    check_self_distillation_loss("koleo")


@pytest.mark.slow
def test_neighbours_within_groups(tmp_path):
    on_processes(koleo_on_process_of_four, tmp_path, n=4)
    x = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    found = torch.tensor([torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(4)])
    assert_close(found[:, 0], torch.stack([KoLeoLoss()(images) for images in x]))
    pairs = torch.stack([KoLeoLoss()(x[:2].flatten(0, 1)), KoLeoLoss()(x[2:].flatten(0, 1))])
    assert_close(found[:, 1].view(2, 2).mean(1), pairs)
