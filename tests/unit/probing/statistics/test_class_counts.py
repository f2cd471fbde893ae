"""Scores of classes against scikit-learn; counts by unit."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from meddino_components.probing.statistics.class_counts import (
    balanced_accuracy,
    class_f1,
    class_recall,
    count_classes,
    mean_auc,
    organ_score,
)


def predictions(n=300, n_classes=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    actual = torch.randint(n_classes - 1, (n,), generator=generator)  # the last class is never there
    guessed = torch.randint(n_classes, (n,), generator=generator)
    return torch.where(torch.rand(n, generator=generator) < 0.6, actual, guessed), actual


def test_agrees_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics", reason="the reference of this test")
    predicted, actual = predictions()
    counts = count_classes(predicted, actual, n_classes=5).total()
    f1 = metrics.f1_score(actual, predicted, average=None, labels=range(4))
    assert_close(class_f1(counts)[:4].double(), torch.from_numpy(f1), atol=1e-6, rtol=0)
    assert math.isnan(class_f1(counts)[4])  # predicted, but not there: does not count
    assert float(class_f1(counts).nanmean()) == pytest.approx(f1.mean())
    assert float(organ_score(counts)) == pytest.approx(f1[1:].mean())
    by_class = metrics.recall_score(actual, predicted, average=None, labels=range(4))
    assert_close(class_recall(counts)[:4], torch.from_numpy(by_class))
    recall = metrics.recall_score(actual, predicted, average="macro", labels=range(4))
    assert float(balanced_accuracy(counts)) == pytest.approx(recall)


def test_counts_by_hand():
    counts = count_classes(
        torch.tensor([0, 1, 1, 2]), torch.tensor([0, 1, 2, 2]), n_classes=3, units=torch.tensor([0, 0, 1, 1])
    )
    assert counts.hits.tolist() == [[1, 1, 0], [0, 0, 1]]
    assert counts.predicted.tolist() == [[1, 1, 0], [0, 1, 1]]
    assert counts.actual.tolist() == [[1, 1, 0], [0, 0, 2]]
    twice_and_never = counts.weighted(torch.tensor([[2.0, 0.0], [1.0, 1.0]]))
    assert twice_and_never.hits.tolist() == [[2, 2, 0], [1, 1, 1]]
    assert class_f1(twice_and_never).nanmean(-1).tolist() == pytest.approx([1.0, np.mean([1, 2 / 3, 2 / 3])])
    assert float(class_f1(counts.total()).nanmean()) == pytest.approx(np.mean([1, 2 / 3, 2 / 3]))


def test_no_class_no_score():
    none = torch.zeros(0, dtype=torch.int64)
    assert math.isnan(class_f1(count_classes(none, none, n_classes=3).total()).nanmean())
    with pytest.raises(ValueError, match="predictions for"):
        count_classes(torch.zeros(2), torch.zeros(3), n_classes=2)


def test_auc_of_the_labels_that_vary():
    metrics = pytest.importorskip("sklearn.metrics", reason="the reference of this test")
    generator = torch.Generator().manual_seed(0)
    labels = torch.rand(50, 4, generator=generator) < 0.3
    labels[:, 1], labels[:, 3] = True, False
    scores = torch.rand(50, 4, generator=generator) + 0.3 * labels
    expected = np.mean([metrics.roc_auc_score(labels[:, k], scores[:, k]) for k in (0, 2)])
    assert mean_auc(scores, labels) == pytest.approx(expected)
    assert math.isnan(mean_auc(scores[:, [1, 3]], labels[:, [1, 3]]))
