"""Self-distillation of masked patches against the mean over images of means over patches."""

import torch
from torch.testing import assert_close

from meddino_components.losses import IBOTPatchLoss


def test_is_the_mean_over_images_those_without_masks_included():
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(3, 6, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(3, 6, 5, generator=generator, dtype=torch.float64).softmax(-1)
    masks = torch.zeros(3, 6, dtype=torch.bool)
    masks[0, 1], masks[1, 2:6] = True, True
    losses = -(teacher * (student / 0.1).log_softmax(-1)).sum(-1)
    expected = (losses[0, 1] + losses[1, 2:6].mean()) / 3
    weight = torch.tensor([1, 0.25, 0.25, 0.25, 0.25], dtype=torch.float64)
    found = IBOTPatchLoss()(student[masks], teacher[masks], weight, n_images=3)
    assert_close(found, expected)
    assert_close(*(torch.autograd.grad(loss, student)[0] for loss in (found, expected)))


def test_no_masked_patch_gives_zero_and_zero_gradients():
    head = torch.nn.Linear(4, 5)
    loss = IBOTPatchLoss()(head(torch.zeros(0, 4)), torch.zeros(0, 5), torch.zeros(0), n_images=2)
    loss.backward()  # so that no process waits for another's gradients
    assert loss.item() == 0
    assert not head.weight.grad.any()


def test_two_processes_give_value_and_gradient_of_one_with_the_doubled_batch(check_self_distillation_loss):
    check_self_distillation_loss("ibot")
