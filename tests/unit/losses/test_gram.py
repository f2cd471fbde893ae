"""Similarities between patches against sums by hand."""

import pytest
import torch
from torch.testing import assert_close

from meddino_components.losses import GramLoss

# two tokens at 90 and at 180 degrees, of length 2
RIGHT = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
OPPOSITE = torch.tensor([[2.0, 0.0], [-2.0, 0.0]])


@pytest.mark.parametrize(
    ("student", "teacher", "settings", "expected"),
    [
        (RIGHT, OPPOSITE, {}, 2 * 1 / 4),
        (RIGHT, OPPOSITE, {"apply_norm": False}, 2 * 16 / 4),
        (RIGHT, OPPOSITE, {"remove_neg": True}, 0),
        (RIGHT, OPPOSITE, {"remove_only_teacher_neg": True}, 0),
        (OPPOSITE, RIGHT, {"remove_neg": True}, 0),
        (OPPOSITE, RIGHT, {"remove_only_teacher_neg": True}, 2 * 1 / 4),
    ],
)
def test_two_tokens_by_hand(student, teacher, settings, expected):
    assert GramLoss(**settings)(student[None], teacher[None]).item() == pytest.approx(expected)
    assert GramLoss(**settings, img_level=False)(student, teacher).item() == pytest.approx(expected)


def test_images_apart_or_together():
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(2, 3, 4, generator=generator) for _ in range(2))
    apart = torch.stack([GramLoss()(student[i : i + 1], teacher[i : i + 1]) for i in range(2)]).mean()
    assert_close(GramLoss()(student, teacher), apart)
    together = GramLoss()(student.view(1, 6, 4), teacher.view(1, 6, 4))
    assert_close(GramLoss(img_level=False)(student, teacher), together)


@pytest.mark.parametrize("settings", [{}, {"remove_neg": True}, {"img_level": False, "apply_norm": False}])
def test_gradient_is_that_of_finite_differences(settings):
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(2, 3, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    teacher.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: GramLoss(**settings)(x, teacher), student.requires_grad_())
    GramLoss(**settings)(student, teacher).backward()
    assert teacher.grad is None


def test_autocast_does_not_lower_the_precision():
    student, teacher = torch.randn(2, 1, 5, 8, generator=torch.Generator().manual_seed(0)).unbind()
    expected = GramLoss()(student, teacher)
    with torch.autocast("cpu", torch.bfloat16):
        assert_close(GramLoss()(student, teacher), expected, rtol=0, atol=0)


def test_refusals():
    with pytest.raises(ValueError, match="exclude each other"):
        GramLoss(remove_neg=True, remove_only_teacher_neg=True)
    with pytest.raises(
        ValueError, match=r"student \[2, 2\] and teacher \[2, 2\] must have the same shape, \[B, P, D\]$"
    ):
        GramLoss()(RIGHT, OPPOSITE)
    with pytest.raises(ValueError, match=r"or \[M, D\]"):
        GramLoss(img_level=False)(RIGHT, OPPOSITE[:1])


def test_two_processes_give_value_and_gradient_of_one_with_the_doubled_batch(check_self_distillation_loss):
    check_self_distillation_loss("gram")
