"""Cross-entropy against probabilities: its value, its own gradient, and what it keeps."""

import pytest
import torch
from torch.testing import assert_close

from meddino_components.losses import row_slices
from meddino_components.losses.soft_cross_entropy import soft_cross_entropy


def arguments(n_students=3, n_teachers=2, n=4, k=7, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    logits, teacher = (torch.randn(crops, n, k, generator=generator, dtype=dtype) for crops in (n_students, n_teachers))
    weights = torch.rand(n, generator=generator, dtype=dtype)
    return logits.requires_grad_(), teacher.softmax(-1), weights


def by_autograd(logits, targets, *, student_temp, weights=None, excluded=None):
    """The formula as it is written, with all its intermediate tensors."""
    targets = targets.expand(logits.shape).clone()
    if excluded is not None:
        targets[: len(excluded)] -= excluded[: len(targets)]
    losses = -(targets * (logits / student_temp).log_softmax(-1)).sum(-1)
    return (losses if weights is None else losses * weights).sum()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_excluded", [0, 2, 4])
@pytest.mark.parametrize("piece", [1, 15, 10**6])
def test_value_and_gradient(monkeypatch, weighted, n_excluded, piece):
    monkeypatch.setattr(row_slices, "_PIECE", piece)
    logits, teacher, weights = arguments(n_teachers=4)
    settings = {
        "student_temp": 0.3,
        "weights": weights if weighted else None,
        "excluded": teacher[:n_excluded] if n_excluded else None,
    }
    expected = by_autograd(logits, teacher.sum(0), **settings)
    found = soft_cross_entropy(logits, teacher.sum(0), **settings)
    assert_close(found, expected)
    for loss_scale in (1.0, -2.5):
        (expected_gradient,) = torch.autograd.grad(loss_scale * expected, logits, retain_graph=True)
        (gradient,) = torch.autograd.grad(loss_scale * found, logits, retain_graph=True)
        assert_close(gradient, expected_gradient)


def test_gradient_is_that_of_finite_differences():
    logits, teacher, weights = arguments()
    assert torch.autograd.gradcheck(
        lambda z: soft_cross_entropy(z, teacher.sum(0), student_temp=0.5, weights=weights, excluded=teacher), logits
    )


def test_low_precision_logits_are_summed_in_fp32():
    logits, teacher, _ = arguments(n=300, k=500, dtype=torch.float32)
    low = logits.detach().bfloat16().requires_grad_()
    found = soft_cross_entropy(low, teacher.sum(0), student_temp=0.1)
    expected = by_autograd(low.float(), teacher.sum(0), student_temp=0.1)
    assert found.dtype == torch.float32
    assert_close(found, expected, rtol=1e-5, atol=0)
    found.backward()
    assert low.grad.dtype == torch.bfloat16
    assert_close(low.grad, torch.autograd.grad(expected, low)[0], rtol=1e-2, atol=1e-4)


def test_keeps_one_tensor_in_the_precision_of_the_logits():
    logits, teacher, _ = arguments(dtype=torch.float32)
    low = logits.detach().bfloat16().requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        soft_cross_entropy(low, teacher.sum(0), student_temp=0.1, excluded=teacher)
        assert [(x.shape, x.dtype) for x in kept] == [(low.shape, torch.bfloat16)]
        kept.clear()
        with torch.no_grad():
            soft_cross_entropy(low, teacher.sum(0), student_temp=0.1)
        soft_cross_entropy(low.detach(), teacher.sum(0), student_temp=0.1)
        assert kept == []


def test_extreme_scores():
    logits = torch.tensor([[[1e4, 0.0, -1e4]]], requires_grad=True)
    loss = soft_cross_entropy(logits, torch.tensor([[0.0, 1.0, 0.0]]), student_temp=0.1)
    loss.backward()
    assert loss.item() == pytest.approx(1e5)
    assert_close(logits.grad, torch.tensor([[[10.0, -10.0, 0.0]]]))
