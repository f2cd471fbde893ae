"""Logistic regression against scikit-learn, and where the answer is known."""

import logging

import numpy as np
import pytest
import torch
from clouds import blobs
from torch.testing import assert_close

from meddino_components.errors import InputError
from meddino_components.probing import LabelledFeatures, LogisticRegression
from meddino_components.probing.statistics.class_counts import mean_auc


def uneven(dtype=torch.float64, **sizes):
    """Features of very different scale and place, one of them constant."""
    train, labels, test = blobs(dtype=dtype, **sizes)
    scale = torch.logspace(-2, 2, train.shape[1], dtype=dtype)
    train, test = train * scale + 5 * scale, test * scale + 5 * scale
    train[:, 3] = test[:, 3] = 0.1
    return train, labels, test


def reference(train, labels, test, l2):
    linear_model = pytest.importorskip("sklearn.linear_model", reason="the reference of this test")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    scaler = preprocessing.StandardScaler().fit(train)
    model = linear_model.LogisticRegression(C=1 / l2, tol=1e-8, max_iter=10_000).fit(scaler.transform(train), labels)
    return model.predict_proba(scaler.transform(test)), model


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("l2", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_agrees_with_scikit_learn(n_classes, l2, dtype):
    train, labels, test = uneven(n_classes=n_classes, dtype=dtype)
    expected, model = reference(train.double(), labels, test.double(), l2)
    probe = LogisticRegression(l2=l2, tolerance=1e-7).fit(train, labels, n_classes=n_classes)
    np.testing.assert_allclose(probe.scores(test), expected, atol=1e-3)
    np.testing.assert_allclose(probe.weight.T, model.coef_, atol=1e-3 * max(1, np.abs(model.coef_).max()))


def test_default_tolerance_is_enough():
    train, labels, test = uneven()
    expected, _ = reference(train, labels, test, 1.0)
    np.testing.assert_allclose(LogisticRegression().fit(train, labels, n_classes=4).scores(test), expected, atol=1e-3)


def test_several_labels_are_as_many_regressions():
    train, classes, test = uneven()
    labels = torch.stack([classes == 1, classes > 1, classes != 0], 1)
    found = LogisticRegression(tolerance=1e-8).fit(train, labels, n_classes=3).scores(test)
    for k in range(3):
        expected, _ = reference(train, labels[:, k], test, 1.0)
        np.testing.assert_allclose(found[:, k], expected[:, 1], atol=1e-3)


def test_the_same_twice():
    train, labels, test = uneven(dtype=torch.float32)
    torch.manual_seed(0)
    first = LogisticRegression().fit(train, labels, n_classes=4).scores(test)
    torch.manual_seed(1)
    assert torch.equal(LogisticRegression().fit(train, labels, n_classes=4).scores(test), first)


@pytest.mark.parametrize("present", [[0, 2, 3], [1, 4], [3]])
def test_absent_classes_score_zero(present):
    train, labels, test = blobs(n_classes=len(present))
    scores = LogisticRegression().fit(train, torch.tensor(present)[labels], n_classes=6).scores(test)
    assert_close(scores.sum(1), torch.ones_like(scores[:, 0]))
    absent = [k for k in range(6) if k not in present]
    assert (scores[:, absent] == 0).all()
    assert (scores[:, present] > 0).all()


def test_planted_labels_are_found_and_shuffled_ones_are_not():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(600, 20, generator=generator)
    labels = (features @ torch.randn(20, 1, generator=generator)) > 0
    shuffled = labels[torch.randperm(600, generator=generator)]
    for targets, low, high in ((labels, 0.99, 1.0), (shuffled, 0.35, 0.65)):
        probe = LogisticRegression().fit(features[:400], targets[:400], n_classes=1)
        assert low <= mean_auc(probe.scores(features[400:]), targets[400:]) <= high


def test_too_few_iterations_are_told(caplog):
    train, labels, _ = uneven()
    with caplog.at_level(logging.WARNING):
        LogisticRegression(l2=1e-6, max_iterations=3).fit(train, labels, n_classes=4)
    assert "did not converge in 3 iterations" in caplog.text


@pytest.mark.parametrize(
    ("features", "labels"),
    [
        (torch.ones(3, 2), torch.tensor([0, 1])),
        (torch.ones(0, 2), torch.zeros(0, dtype=torch.int64)),
        (torch.ones(3, 2), torch.tensor([0, 1, 7])),
        (torch.ones(3, 2), torch.zeros(3, 5)),
    ],
)
def test_what_does_not_fit_is_refused(features, labels):
    with pytest.raises(ValueError):
        LogisticRegression().fit(features, labels, n_classes=4)


def noisy(n, seed, width=40):
    """Two classes told by a single feature among many, which a weak penalty overfits."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    features = torch.randn(n, width, generator=generator)
    features[:, 0] += 2 * labels - 1
    return features, labels


def test_the_penalty_is_chosen_on_the_validation_split():
    parts = {split: noisy(n, seed) for seed, (split, n) in enumerate((("train", 60), ("val", 400), ("test", 400)))}
    features = LabelledFeatures(
        vectors={split: x for split, (x, _) in parts.items()},
        targets={split: y for split, (_, y) in parts.items()},
        n_classes=2,
    )

    def auc(l2, split):
        fitted = LogisticRegression(l2=l2).fit(*parts["train"], n_classes=2)
        return mean_auc(fitted.scores(parts[split][0]), torch.nn.functional.one_hot(parts[split][1], 2))

    penalties = [0.001, 30.0, 1e6]
    best = max(penalties, key=lambda l2: auc(l2, "val"))
    assert auc(best, "val") > auc(penalties[0], "val")
    expected = LogisticRegression(l2=best).fit(*parts["train"], n_classes=2).scores(parts["test"][0])
    assert torch.equal(LogisticRegression(l2=penalties).score(features).scores, expected)
    # of equal ones the first
    assert torch.equal(LogisticRegression(l2=[best, best]).score(features).scores, expected)


def test_several_penalties_need_a_validation_split():
    x, y = noisy(20, 0)
    features = LabelledFeatures(vectors={"train": x, "test": x}, targets={"train": y}, n_classes=2)
    with pytest.raises(InputError, match=r"l2 of LogisticRegression is \[1.0, 2.0\]; expected one number"):
        LogisticRegression(l2=[1.0, 2.0]).score(features)
    with pytest.raises(InputError, match="expected a number of at least 0, or a list of them"):
        LogisticRegression(l2=[])
