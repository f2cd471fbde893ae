"""AUC, accuracy and F1 agree with scikit-learn; intervals hold what they should."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from meddino_components.probing.statistics.scores_bootstrap import BootstrappedScores


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


def rare_labels(n_positive, n=40, n_labels=8):
    """Labels of few positives each, found badly, beside one of half of the samples, found well."""
    targets = torch.zeros(n, 1 + n_labels, dtype=torch.long)
    targets[::2, 0] = 1
    for k in range(n_labels):
        targets[torch.arange(n_positive) * n_labels + k, 1 + k] = 1
    scores = torch.rand(n, 1 + n_labels, generator=torch.Generator().manual_seed(0))
    return torch.where(targets > 0, scores * 0.2, scores) + torch.nn.functional.pad(
        targets[:, :1], (0, n_labels)
    ), targets


def test_labels_of_one_patient_each_leave_no_interval_of_what_is_averaged_over_them():
    scores, targets = rare_labels(1)
    bootstrap = BootstrappedScores(targets, one_unit_each(targets))
    found = bootstrap.metrics(scores)
    auc, f1, accuracy = (bootstrap.interval(found[metric]) for metric in ("AUC", "F1", "accuracy"))
    expected = np.mean([roc_auc_score(t, s) for t, s in zip(targets.T, scores.T, strict=True)])
    assert auc.value == pytest.approx(expected, abs=1e-6)
    assert not auc.has_bounds
    assert not f1.has_bounds
    assert accuracy.low < accuracy.value < accuracy.high
    assert bootstrap.shown_by(list("abcdefghi")) == {"a": 20, **dict.fromkeys("bcdefghi", 1)}
    gain = bootstrap.interval(found["AUC"] - bootstrap.metrics(1 - scores)["AUC"])
    assert not gain.has_bounds


@pytest.mark.parametrize("metric", ["AUC", "F1"])
def test_a_value_lies_in_its_interval_where_labels_are_rare(metric):
    scores, targets = rare_labels(4)
    bootstrap = BootstrappedScores(targets, one_unit_each(targets))
    values = bootstrap.metrics(scores)[metric]
    # a resample lacks each of the eight with (1 - 4 / 40) ** 40
    assert float(values.isnan().double().mean()) == pytest.approx(1 - (1 - 0.9**40) ** 8, abs=0.05)
    interval = bootstrap.interval(values)
    assert interval.low < interval.value < interval.high


def test_one_class_of_two_may_be_the_rare_one():
    targets = torch.zeros(30, dtype=torch.long)
    targets[0] = 1
    scores = torch.rand(30, 2, generator=torch.Generator().manual_seed(0))
    bootstrap = BootstrappedScores(targets, one_unit_each(targets), n_resamples=500)
    assert bootstrap.shown_by(["healthy", "ill"]) == {"healthy": 1, "ill": 1}
    values = bootstrap.metrics(scores)["AUC"]
    # the others all show both
    assert float(values.isnan().double().mean()) == pytest.approx((29 / 30) ** 30, abs=0.06)


def test_what_does_not_fit_is_refused():
    targets = torch.tensor([0, 1, 1])
    with pytest.raises(ValueError, match="1 unit"):
        BootstrappedScores(targets, torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="3 targets with 2 units"):
        BootstrappedScores(targets, torch.zeros(2))
    with pytest.raises(ValueError, match=r"scores \[2, 2\] do not go with targets \[3\]"):
        BootstrappedScores(targets, torch.arange(3)).metrics(torch.zeros(2, 2))
