"""Self-distillation between crops against a plain double sum over pairs."""

import pytest
import torch
from torch.testing import assert_close

from meddino_components.losses import DINOLoss


def crops(n_students, n_teachers, n=3, k=5):
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(n_students, n, k, generator=generator, dtype=torch.float64)
    teacher = torch.randn(n_teachers, n, k, generator=generator, dtype=torch.float64).softmax(-1)
    return student.requires_grad_(), teacher


@pytest.mark.parametrize(("n_students", "n_teachers"), [(1, 2), (2, 2), (3, 2), (8, 2), (2, 1), (2, 3)])
@pytest.mark.parametrize("ignore_diagonal", [False, True])
@pytest.mark.parametrize("temp", [0.1, 1.0])
def test_is_the_mean_over_pairs(n_students, n_teachers, ignore_diagonal, temp):
    student, teacher = crops(n_students, n_teachers)
    pairs = [
        -(teacher[t] * (student[s] / temp).log_softmax(-1)).sum(-1).mean()
        for s in range(n_students)
        for t in range(n_teachers)
        if not (ignore_diagonal and s == t)
    ]
    expected = torch.stack(pairs).mean()
    found = DINOLoss(student_temp=temp)(student, teacher, ignore_diagonal=ignore_diagonal)
    assert_close(found, expected)
    assert_close(*(torch.autograd.grad(loss, student)[0] for loss in (found, expected)))


def test_two_prototypes_by_hand():
    student = torch.tensor([[[0.0, 0.1 * torch.log(torch.tensor(3.0))]]])  # probabilities 1/4 and 3/4
    teacher = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    expected = torch.log(torch.tensor([4.0, 4 / 3])).mean()
    assert_close(DINOLoss()(student, teacher), expected)


def test_the_teacher_gets_no_gradient():
    student, teacher = crops(2, 2)
    teacher.requires_grad_()
    DINOLoss()(student, teacher, ignore_diagonal=True).backward()
    assert teacher.grad is None


def test_refuses_to_leave_out_the_only_pair():
    student, teacher = crops(1, 1)
    with pytest.raises(ValueError, match="1 of the student, 1 of the teacher, ignore_diagonal=True"):
        DINOLoss()(student, teacher, ignore_diagonal=True)


def test_two_processes_give_value_and_gradient_of_one_with_the_doubled_batch(check_self_distillation_loss):
    check_self_distillation_loss("dino")
