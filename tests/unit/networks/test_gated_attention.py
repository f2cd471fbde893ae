"""Gated attention by its formula, and what it must not depend on."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from meddino_components.networks import GatedAttention

LENGTHS = (5, 1, 3)


@pytest.fixture
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return GatedAttention(in_dim=6, n_outputs=3, hidden_dim=8, attention_dim=4).double()


@pytest.fixture
def bags():
    generator = torch.Generator().manual_seed(1)
    instances = 3 * torch.randn(3, 5, 6, generator=generator, dtype=torch.float64)
    return instances, torch.arange(5) < torch.tensor(LENGTHS)[:, None]


def by_formula(state, bag):
    """One bag [n, D] in NumPy, an instance at a time."""
    w = {name: tensor.numpy() for name, tensor in state.items()}
    hidden = [np.maximum(w["projection.weight"] @ x + w["projection.bias"], 0) for x in bag]
    scores = []
    for h in hidden:
        content = np.tanh(w["content.weight"] @ h + w["content.bias"])
        gate = 1 / (1 + np.exp(-(w["gate.weight"] @ h + w["gate.bias"])))
        scores.append(float(w["weight.weight"][0] @ (content * gate)))
    attention = np.exp(scores) / np.exp(scores).sum()
    pooled = sum(a * h for a, h in zip(attention, hidden, strict=True))
    return w["classifier.weight"] @ pooled + w["classifier.bias"], attention


def test_each_bag_is_what_the_formula_says(network, bags):
    instances, mask = bags
    with torch.no_grad():
        logits, attention = network(instances, mask)
    assert logits.shape == (3, 3)
    for k, length in enumerate(LENGTHS):
        expected, weights = by_formula(network.state_dict(), instances[k, :length].numpy())
        np.testing.assert_allclose(logits[k], expected, rtol=1e-10)
        np.testing.assert_allclose(attention[k, :length], weights, rtol=1e-10)
        assert not attention[k, length:].any()


def test_what_a_bag_is_filled_up_with_changes_nothing(network, bags):
    """Nor whether it is at all: numbers, gradients of the weights, gradients of the instances."""
    instances, mask = bags

    def outcome(filling, extra):
        filled = torch.where(mask[..., None], instances, filling)
        filled = torch.cat((filled, torch.full((3, extra, 6), filling, dtype=filled.dtype)), 1).requires_grad_()
        longer = torch.cat((mask, torch.zeros(3, extra, dtype=torch.bool)), 1)
        network.zero_grad()
        logits, attention = network(filled, longer)
        (logits**2).sum().backward()
        gradients = [parameter.grad.clone() for parameter in network.parameters()]
        return [logits.detach(), attention.detach()[:, :5], filled.grad[:, :5], *gradients]

    for a, b in zip(outcome(0.0, 0), outcome(1e3, 4), strict=True):
        assert_close(a, b)
        assert bool(a.isfinite().all())


def test_the_order_of_instances_changes_nothing(network, bags):
    instances, mask = bags
    order = torch.tensor([3, 0, 4, 2, 1])
    with torch.no_grad():
        logits, attention = network(instances, mask)
        shuffled, of_shuffled = network(instances[:, order], mask[:, order])
    assert_close(shuffled, logits)
    assert_close(of_shuffled, attention[:, order])
