"""k-NN against scikit-learn, and in chunks."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from clouds import blobs
from probed import scored
from torch.testing import assert_close

from meddino_components.errors import InputError
from meddino_components.probing import KNearestNeighbours
from meddino_components.probing.probes import nearest_neighbours


def nearest_neighbour_scores(train, labels, test, *, n_classes, metric="cosine", **settings):
    return scored(KNearestNeighbours(**settings), train, labels, test, n_classes=n_classes, metric=metric)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("weights", ["uniform", "distance", "softmax"])
@pytest.mark.parametrize("n_neighbours", [1, 7, 20])
def test_agrees_with_scikit_learn(metric, weights, n_neighbours):
    neighbors = pytest.importorskip("sklearn.neighbors", reason="the reference of this test")
    if weights == "softmax" and metric == "euclidean":
        pytest.skip("refused")
    train, labels, test = blobs()
    theirs = neighbors.KNeighborsClassifier(
        n_neighbors=n_neighbours,
        metric=metric,
        algorithm="brute",
        weights=weights if weights != "softmax" else lambda distance: np.exp((1 - distance) / 0.07),
    ).fit(train, labels)
    ours = nearest_neighbour_scores(
        train, labels, test, n_classes=4, n_neighbours=n_neighbours, metric=metric, weights=weights
    )
    np.testing.assert_allclose(ours, theirs.predict_proba(test), atol=1e-6)


def test_classes_with_as_many_whole_votes_have_the_same_score():
    """Summed as shares, 14 times 1 / 28 and again 14 times 1 / 28 differ by rounding, and the tie by chance."""
    train, labels, test = blobs(n_train=28, n_classes=2, dtype=torch.float32)
    scores = nearest_neighbour_scores(train, labels, test, n_classes=2, n_neighbours=28, weights="uniform")
    assert scores.unique().tolist() == [0.5]


@pytest.mark.parametrize("weights", ["softmax", "distance", "uniform"])
def test_a_class_that_got_all_votes_has_exactly_1(weights):
    train, labels, test = blobs(n_train=400, n_test=200, n_classes=2, dtype=torch.float32)
    scores = nearest_neighbour_scores(train, labels * 0, test, n_classes=2, n_neighbours=37, weights=weights)
    assert scores.unique().tolist() == [0, 1]


def test_chunks_change_nothing(monkeypatch):
    train, labels, test = blobs()
    whole = nearest_neighbour_scores(train, labels, test, n_classes=4, n_neighbours=9)
    monkeypatch.setattr(nearest_neighbours, "_TRAINING_CHUNK", 7)  # fewer than there are neighbours
    monkeypatch.setattr(nearest_neighbours, "_TEST_CHUNK", 3)
    assert_close(nearest_neighbour_scores(train, labels, test, n_classes=4, n_neighbours=9), whole)


def test_several_labels_vote_for_themselves():
    train, classes, test = blobs()
    labels = torch.stack((classes == 1, classes > 1, torch.ones_like(classes, dtype=torch.bool)), 1)
    found = nearest_neighbour_scores(train, labels, test, n_classes=3)
    single = nearest_neighbour_scores(train, classes, test, n_classes=4)
    assert_close(found, torch.stack((single[:, 1], single[:, 2:].sum(1), torch.ones(len(test))), 1).to(found))


def test_the_same_picture_decides():
    train, labels, _ = blobs(dtype=torch.float32)
    found = nearest_neighbour_scores(train, labels, 3 * train, n_classes=4, weights="distance")
    assert_close(found, torch.eye(4)[labels])


def test_planted_classes_are_found_and_few_samples_suffice():
    train, labels = 10 * torch.eye(4), torch.arange(4)
    near = nearest_neighbour_scores(train, labels, train[[2, 0]] + 0.1, n_classes=5)
    assert near.shape == (2, 5)
    assert near.argmax(1).tolist() == [2, 0]
    assert nearest_neighbour_scores(train, labels, train[:0], n_classes=5).shape == (0, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": torch.tensor([0, 1, 9])}, "0 to 3"),
        ({"labels": torch.tensor([0, 1])}, "2 labels"),
        ({"test": torch.zeros(2, 5)}, "features must be"),
        ({"labels": torch.zeros(3, 2)}, "4 columns"),
        ({"weights": "softmax", "metric": "euclidean"}, "temperature"),
        ({"metric": "city"}, "unknown metric"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    given = {"train": torch.ones(3, 2), "labels": torch.zeros(3, dtype=torch.int64), "test": torch.ones(1, 2)} | change
    with pytest.raises(ValueError, match=message):
        nearest_neighbour_scores(
            given.pop("train"), given.pop("labels"), given.pop("test"), n_classes=4, **given
        )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_neighbours": 0}, "n_neighbours of KNearestNeighbours is 0; expected a whole number of at least 1"),
        (
            {"weights": "equal"},
            "weights of KNearestNeighbours is 'equal'; expected one of softmax, uniform, distance or",
        ),
        ({"temperature": 0.0}, "temperature of KNearestNeighbours is 0.0; expected a number above 0"),
    ],
)
def test_settings_that_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        KNearestNeighbours(**settings)


_RUN = """
import resource, sys
import torch
from meddino_components.probing import KNearestNeighbours, LabelledFeatures
train, test = (torch.ones(n, 64, dtype=torch.float16) for n in (100_000, int(sys.argv[1])))
labels = {"train": torch.zeros(100_000, dtype=torch.int64)}
KNearestNeighbours().score(LabelledFeatures(vectors={"train": train, "test": test}, targets=labels, n_classes=20))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak_mb(n_test):
    arguments = [sys.executable, "-c", _RUN, str(n_test)]
    return int(subprocess.run(arguments, capture_output=True, encoding="utf-8", check=True).stdout)


@pytest.mark.slow
def test_memory_is_that_of_chunks():
    """All similarities of 100,000 samples to 4,096 at once would take 1,600 MB."""
    assert peak_mb(4096) - peak_mb(1) < 400
