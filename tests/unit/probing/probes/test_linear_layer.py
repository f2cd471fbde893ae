"""The published linear probe finds what is there, and nothing where nothing is."""

import pytest
import torch
from probed import scored
from torch.testing import assert_close

from meddino_components.errors import InputError
from meddino_components.probing import LinearLayer, LogisticRegression


def linear_scores(train, labels, test, **settings):
    return scored(LinearLayer(**settings), train, labels, test, n_classes=3)


def planted(n, seed, n_classes=3, width=16):
    """Features in which the class is linearly planted, on very different scales."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(n_classes, (n,), generator=generator)
    features = torch.randn(n, width, generator=generator)
    features[:, :n_classes] += 6 * torch.nn.functional.one_hot(labels, n_classes)
    return features * torch.logspace(-2, 2, width) + 5, labels


def test_planted_classes_are_found():
    (x, y), (test, truth) = planted(600, 0), planted(200, 1)
    scores = linear_scores(x, y, test)
    assert_close(scores.sum(1), torch.ones(200))
    assert float((scores.argmax(1) == truth).float().mean()) > 0.98
    # trained to the end, it is the logistic regression without penalty; here both are sure of the same
    logistic = LogisticRegression(l2=1.0).fit(x, y, n_classes=3).scores(test)
    assert float((scores.argmax(1) == logistic.argmax(1)).float().mean()) > 0.98


def test_labels_that_overlap_have_a_probability_each():
    (x, y), (test, truth) = planted(600, 0), planted(200, 1)
    tables = [torch.stack((k == 0, k <= 1, k == 2), 1).long() for k in (y, truth)]
    # small batches: fifty steps of one batch are too few to learn it
    scores = linear_scores(x, tables[0], test, batch_size=32)
    assert float(((scores > 0.5).long() == tables[1]).float().mean()) > 0.98
    assert float(scores.sum(1).max()) > 1.5


def test_it_is_the_same_whatever_was_drawn_before_and_draws_nothing_global():
    (x, y), (test, _) = planted(100, 0), planted(20, 1)
    first = linear_scores(x, y, test, epochs=3)
    state = torch.get_rng_state()
    torch.rand(7)
    again = linear_scores(x, y, test, epochs=3)
    assert_close(first, again, rtol=0, atol=0)
    torch.set_rng_state(state)
    linear_scores(x, y, test, epochs=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(first, linear_scores(x, y, test, epochs=3, seed=1))


def test_lengths_that_do_not_match():
    with pytest.raises(ValueError, match="3 training features with 2 labels"):
        linear_scores(torch.zeros(3, 2), torch.zeros(2), torch.zeros(1, 2))


def test_settings_that_are_refused():
    with pytest.raises(InputError, match="epochs of LinearLayer is 0; expected a whole number of at least 1"):
        LinearLayer(epochs=0)
    with pytest.raises(InputError, match="learning_rate of LinearLayer is 'fast'; expected a number above 0"):
        LinearLayer(learning_rate="fast")
    assert LinearLayer(learning_rate="1e-3").learning_rate == 1e-3
