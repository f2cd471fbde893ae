"""Balanced assignment against its formula, and where the plain formula fails."""

import numpy as np
import pytest
import torch
from self_distillation_losses import make_images, make_network, step
from torch.testing import assert_close

from meddino_components.losses import row_slices, sinkhorn_knopp


def scores(n=6, k=10, seed=0, spread=1.0):
    return spread * torch.randn(n, k, generator=torch.Generator().manual_seed(seed))


def by_hand(logits, temp, n_iterations):
    """The formula as it is written in the paper, in numpy and double."""
    q = np.exp(logits.double().numpy() / temp)
    q /= q.sum()
    for _ in range(n_iterations):
        q /= q.sum(0) * q.shape[1]
        q /= q.sum(1, keepdims=True) * q.shape[0]
    return torch.from_numpy(q * q.shape[0])


@pytest.mark.parametrize(("n", "k"), [(6, 10), (10, 3), (1, 4)])
@pytest.mark.parametrize("temp", [0.04, 0.07, 1.0])
@pytest.mark.parametrize("n_iterations", [1, 3])
def test_is_its_formula(n, k, temp, n_iterations):
    logits = scores(n, k)
    found = sinkhorn_knopp(logits, temp, n_iterations=n_iterations)
    assert_close(found.double(), by_hand(logits, temp, n_iterations), rtol=1e-5, atol=1e-6)
    exact = sinkhorn_knopp(logits.double(), temp, n_iterations=n_iterations)
    assert_close(exact, by_hand(logits, temp, n_iterations), rtol=1e-9, atol=1e-12)


def test_many_iterations_use_all_prototypes_alike():
    probs = sinkhorn_knopp(scores(12, 4), 1.0, n_iterations=50)
    assert_close(probs.sum(1), torch.ones(12))
    assert_close(probs.sum(0), torch.full((4,), 3.0))


def test_scores_beyond_the_range_of_fp32():
    logits = scores(spread=10.0)
    found = sinkhorn_knopp(logits, 0.04)  # exponents of several hundred
    assert_close(found.double(), by_hand(logits, 0.04, 3), rtol=1e-3, atol=1e-6)
    # a prototype and a sample far below all others, whose exponentials would vanish
    logits[:, 2] -= 1000
    logits[4] -= 1000
    found = sinkhorn_knopp(logits, 0.04)
    assert torch.isfinite(found).all()
    assert_close(found.sum(1), torch.ones(6))
    assert (found.sum(0) > 0).all()


def test_result_is_independent_of_the_pieces(monkeypatch):
    expected = sinkhorn_knopp(scores(), 0.07)
    monkeypatch.setattr(row_slices, "_PIECE", 15)
    assert_close(sinkhorn_knopp(scores(), 0.07), expected, rtol=1e-6, atol=1e-7)


def test_leaves_its_input_alone_and_carries_no_gradient():
    logits = scores().requires_grad_()
    before = logits.detach().clone()
    assert not sinkhorn_knopp(logits, 0.07).requires_grad
    assert torch.equal(logits, before)


def test_low_precision_is_computed_in_fp32():
    logits = scores().bfloat16()
    found = sinkhorn_knopp(logits, 0.07)
    assert found.dtype == torch.float32
    assert_close(found, sinkhorn_knopp(logits.float(), 0.07))


def test_no_samples():
    assert sinkhorn_knopp(torch.zeros(0, 5), 0.07).shape == (0, 5)


def test_refuses_no_iterations():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        sinkhorn_knopp(scores(), 0.07, n_iterations=0)


def test_two_processes_assign_as_one_with_the_doubled_batch(distilled_apart, distilled_alone):
    assert_close(torch.cat([found["probs"] for found in distilled_apart], dim=1), distilled_alone["probs"])
    # all masked patches are of the first process
    assert distilled_apart[1]["patch_probs"].shape[0] == 0
    assert_close(distilled_apart[0]["patch_probs"], distilled_alone["patch_probs"])
    alone = step(make_network(), *(x[:, :4] for x in make_images()))
    assert (alone["probs"] - distilled_alone["probs"][:, :4]).abs().max() > 1e-2  # the test can tell
