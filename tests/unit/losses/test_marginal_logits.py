"""The softmax of marginal logits is the marginal softmax, and so is its gradient."""

import pytest
import torch
from torch.testing import assert_close

from meddino_components.losses.marginal_logits import marginal_logits

ANNOTATED = torch.tensor([[1, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 1]]).bool()


def summed(logits):
    """Probabilities with those of the lacking classes added to the background's, by autograd."""
    probs, known = logits.softmax(1), ANNOTATED.clone()
    known[:, 0] = True
    mask = known[:, :, None].to(probs.dtype)
    rest = (probs * (1 - mask)).sum(1, keepdim=True)
    return torch.cat([probs[:, :1] + rest, probs[:, 1:] * mask[:, 1:]], dim=1)


@pytest.fixture
def logits():
    return torch.randn(3, 4, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 4


def test_probabilities_of_lacking_classes_join_the_background(logits):
    assert_close(marginal_logits(logits, ANNOTATED).softmax(1), summed(logits))
    assert torch.equal(marginal_logits(logits, ANNOTATED)[1], logits[1])


def test_the_gradient_is_that_of_the_sum(logits):
    weights = torch.randn(3, 4, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gradients = []
    for function in (lambda z: marginal_logits(z, ANNOTATED).softmax(1), summed):
        leaf = logits.clone().requires_grad_()
        (function(leaf) * weights).sum().backward()
        gradients.append(leaf.grad)
    assert_close(*gradients)


def test_low_precision_is_summed_in_fp32(logits):
    low = logits.bfloat16().requires_grad_()
    found = marginal_logits(low, ANNOTATED)
    assert found.dtype == torch.float32
    found[:, 0].sum().backward()
    assert low.grad.dtype == torch.bfloat16
    assert_close(found, marginal_logits(low.detach().float(), ANNOTATED))
