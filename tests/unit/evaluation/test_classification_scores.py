"""AUC, accuracy and F1 agree with scikit-learn; intervals hold what they should."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from meddino_components.evaluation.classification_scores import BootstrappedScores


def one_unit_each(targets):
    return torch.arange(len(targets))


def draw(n=200, n_classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(n_classes, (n,), generator=generator)
    # coarse, so that many scores are equal
    scores = (torch.rand(n, n_classes, generator=generator) * 10).round() / 10
    scores[torch.arange(n), targets] += 0.3
    return scores / scores.sum(1, keepdim=True), targets


def test_classes_agree_with_scikit_learn():
    scores, targets = draw()
    found = BootstrappedScores(targets, one_unit_each(targets), n_resamples=3).metrics(scores)
    predicted = scores.argmax(1)
    expected = roc_auc_score(targets, scores, multi_class="ovr", average="macro")
    assert float(found["AUC"][0]) == pytest.approx(expected, abs=1e-12)
    assert float(found["accuracy"][0]) == pytest.approx(accuracy_score(targets, predicted), abs=1e-12)
    assert float(found["F1"][0]) == pytest.approx(f1_score(targets, predicted, average="macro"), abs=1e-12)


def test_labels_agree_with_scikit_learn_and_those_that_do_not_vary_do_not_count():
    scores, classes = draw(n_classes=5)
    targets = torch.nn.functional.one_hot(classes, 5)
    targets[:, 0] = 0
    scores = scores * 2
    found = BootstrappedScores(targets, one_unit_each(targets), n_resamples=3).metrics(scores)
    aucs = [roc_auc_score(targets[:, k], scores[:, k]) for k in range(1, 5)]
    assert float(found["AUC"][0]) == pytest.approx(np.mean(aucs), abs=1e-12)
    predicted = (scores >= 0.5).long()
    assert float(found["accuracy"][0]) == pytest.approx(float((predicted == targets).double().mean()), abs=1e-12)
    f1s = [f1_score(targets[:, k], predicted[:, k]) for k in range(1, 5)]
    assert float(found["F1"][0]) == pytest.approx(np.mean(f1s), abs=1e-12)


def test_a_resample_is_the_metric_of_the_samples_drawn():
    """Patients with two images each: both are drawn together, as often as the patient."""
    scores, targets = draw(n=60, n_classes=2)
    units = torch.arange(60) // 2
    found = BootstrappedScores(targets, units, n_resamples=5, seed=3).metrics(scores)
    draws = np.random.default_rng(3).integers(30, size=(5, 30))
    for resample, drawn in enumerate(draws, start=1):
        rows = np.concatenate([[2 * unit, 2 * unit + 1] for unit in drawn])
        expected = np.mean([roc_auc_score(targets[rows] == k, scores[rows, k]) for k in range(2)])
        assert float(found["AUC"][resample]) == pytest.approx(expected, abs=1e-12)


def test_planted_classes_have_an_auc_of_one_and_shuffled_ones_of_a_half():
    generator = torch.Generator().manual_seed(1)
    targets = torch.randint(3, (300,), generator=generator)
    bootstrap = BootstrappedScores(targets, one_unit_each(targets))
    sure = torch.nn.functional.one_hot(targets, 3).double()
    planted = bootstrap.interval(bootstrap.metrics(sure)["AUC"])
    assert (planted.value, planted.low, planted.high) == (1, 1, 1)
    shuffled = bootstrap.interval(bootstrap.metrics(sure[torch.randperm(300, generator=generator)])["AUC"])
    assert shuffled.low < 0.5 < shuffled.high
    gain = bootstrap.interval(bootstrap.metrics(sure)["AUC"] - bootstrap.metrics(sure.roll(1, 0))["AUC"])
    assert gain.excludes_zero


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """Accuracy of a coin that is right 70 times in 100."""
    covered = 0
    for seed in range(200):
        generator = torch.Generator().manual_seed(seed)
        right = torch.rand(150, generator=generator) < 0.7
        targets = torch.randint(2, (150,), generator=generator)
        scores = torch.nn.functional.one_hot(torch.where(right, targets, 1 - targets), 2)
        bootstrap = BootstrappedScores(targets, one_unit_each(targets), n_resamples=400, seed=seed)
        interval = bootstrap.interval(bootstrap.metrics(scores)["accuracy"])
        covered += interval.low <= 0.7 <= interval.high
    assert 0.90 <= covered / 200 <= 0.98


def test_what_does_not_fit_is_refused():
    targets = torch.tensor([0, 1, 1])
    with pytest.raises(ValueError, match="1 unit"):
        BootstrappedScores(targets, torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="3 targets with 2 units"):
        BootstrappedScores(targets, torch.zeros(2))
    with pytest.raises(ValueError, match=r"scores \[2, 2\] do not go with targets \[3\]"):
        BootstrappedScores(targets, torch.arange(3)).metrics(torch.zeros(2, 2))
