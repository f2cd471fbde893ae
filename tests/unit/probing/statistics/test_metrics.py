"""Metrics agree with scikit-learn; intervals cover what they should; a resample that lacks a class is dropped."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from meddino_components.probing import Bootstrap
from meddino_components.probing.statistics.bootstrap import percentile_interval
from meddino_components.probing.statistics.class_counts import balanced_accuracy, count_classes, organ_score
from meddino_components.probing.statistics.metrics import examples_shown, mean_dice, measure

NAN = float("nan")
METRICS = ("AUC", "accuracy", "F1")


class BootstrappedScores:
    """Metrics of several classifiers on the same samples, all under the same resamples."""

    def __init__(self, targets, units, n_resamples=1000, seed=0):
        self.targets = targets
        self.resamples = Bootstrap(n_resamples=n_resamples, seed=seed).resample(units)

    def metrics(self, scores, names=METRICS):
        return measure(scores, self.targets, self.resamples, names)

    def interval(self, values):
        return percentile_interval(values)

    def shown_by(self, names):
        return examples_shown(self.targets, self.resamples, names)


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
    with pytest.raises(ValueError, match="3 targets with 2 units"):
        BootstrappedScores(targets, torch.arange(2)).metrics(torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"scores \[2, 2\] do not go with targets \[3\]"):
        BootstrappedScores(targets, torch.arange(3)).metrics(torch.zeros(2, 2))


def predictions(accuracy, seed, n_units=20, per_unit=60):
    """Scores of two classes, right with this probability, their classes and units."""
    rng = np.random.default_rng(seed)
    actual = torch.arange(n_units * per_unit) % 2
    right = torch.from_numpy(rng.random(len(actual)) < accuracy)
    scores = torch.nn.functional.one_hot(torch.where(right, actual, 1 - actual), 2)
    return scores, actual, torch.arange(len(actual)) // per_unit


def resampled(accuracy, seed, name="balanced accuracy", n_resamples=2000, **sizes):
    scores, actual, units = predictions(accuracy, seed, **sizes)
    return BootstrappedScores(actual, units, n_resamples).metrics(scores, [name])[name]


def gain(a, b):
    return percentile_interval(a - b)


def test_a_real_gain_excludes_zero():
    found = gain(resampled(0.8, 0), resampled(0.7, 1))
    assert found.low < 0.1 < found.high
    assert found.excludes_zero
    # the width that the binomial law says
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt((0.16 + 0.21) / 1200), rel=0.35)


def test_a_score_lies_in_its_own_interval():
    score = percentile_interval(resampled(0.8, 0))
    scores, actual, units = predictions(0.8, 0)
    counts = count_classes(scores.argmax(1), actual, n_classes=2, units=units)
    assert score.value == float(balanced_accuracy(counts.total()))
    assert score.high - score.low == pytest.approx(2 * 1.96 * np.sqrt(0.16 / 1200), rel=0.35)
    assert score.low < 0.8 < score.high
    assert float(resampled(0.8, 0, "organ score")[0]) == float(organ_score(counts.total()))


def test_no_gain_covers_zero_about_as_often_as_it_should():
    settings = {"n_resamples": 400}
    intervals = [gain(resampled(0.7, s, **settings), resampled(0.7, 1000 + s, **settings)) for s in range(60)]
    assert sum(not found.excludes_zero for found in intervals) >= 50


def test_gains_are_paired_and_repeatable():
    """The same predictions have no gain at all, whatever is drawn."""
    same = gain(resampled(0.7, 0), resampled(0.7, 0))
    assert (same.value, same.low, same.high) == (0, 0, 0)
    state = torch.get_rng_state()
    assert gain(resampled(0.8, 0), resampled(0.7, 1)) == gain(resampled(0.8, 0), resampled(0.7, 1))
    assert torch.equal(torch.get_rng_state(), state)


def test_every_resample_is_a_mean_over_the_same_classes():
    """Found always, but for rare classes, without which a resample would score 1."""
    actual = torch.zeros(20, 10, dtype=torch.long)
    actual[:, 5:] = 1
    units = torch.arange(20).repeat_interleave(10)
    one_rare = actual.clone()
    one_rare[:3, 9] = 2

    def scored(predicted, truth, n_classes):
        scores = torch.nn.functional.one_hot(predicted.flatten(), n_classes)
        return BootstrappedScores(truth.flatten(), units).metrics(scores, ["organ score"])["organ score"]

    # 4 in 100 resamples lack the rare class
    found, nothing = (scored(predicted, one_rare, 3) for predicted in (actual * (one_rare < 2), actual * 0))
    assert float(found.isnan().double().mean()) == pytest.approx(0.04, abs=0.02)
    score = percentile_interval(found)
    assert (score.value, score.low, score.high) == (0.5, 0.5, 0.5)
    gained = gain(found, nothing)
    assert (gained.value, gained.low, gained.high) == (0.5, 0.5, 0.5)
    # eight classes of one unit each are hardly ever drawn together
    many = actual.clone()
    many[torch.arange(8), 9] = 2 + torch.arange(8)
    score = percentile_interval(scored(actual, many, 10))
    assert 0 < score.value < 0.2
    assert not score.has_bounds


class BootstrappedDice:
    """Mean Dice of several decoders on the same cases, all under the same resamples of the patients."""

    def __init__(self, patients, n_resamples=1000, seed=0):
        numbers = torch.from_numpy(np.unique(np.array(patients), return_inverse=True)[1])
        self.resamples = Bootstrap(n_resamples=n_resamples, seed=seed).resample(numbers)
        self.n_units = self.resamples.n_units

    def means(self, dice):
        return mean_dice(dice, self.resamples)

    def interval(self, values):
        return percentile_interval(values)

    def shown_by(self, dice, names):
        return self.resamples.shown_by(dice.isfinite(), names)


def test_the_value_is_the_mean_over_classes_of_means_over_the_cases_that_show_them():
    dice = torch.tensor([[0.8, NAN, NAN], [0.6, 0.2, NAN], [0.4, 0.4, NAN]])
    found = BootstrappedDice(["a", "b", "c"], n_resamples=50).means(dice)
    assert found.shape == (51,)
    np.testing.assert_allclose(found[0], (0.6 + 0.3) / 2)


def test_cases_of_a_patient_are_drawn_together():
    dice = torch.tensor([[0.0], [0.0], [1.0], [1.0]])
    together = BootstrappedDice(["a", "a", "b", "b"], n_resamples=500)
    assert together.n_units == 2
    assert set(together.means(dice).tolist()) == {0.0, 0.5, 1.0}
    apart = BootstrappedDice(["a", "b", "c", "d"], n_resamples=500)
    assert set(apart.means(dice).tolist()) == {0.0, 0.25, 0.5, 0.75, 1.0}


def test_the_interval_of_many_cases_is_that_of_their_standard_error():
    values = torch.rand(400, 1, generator=torch.Generator().manual_seed(0))
    bootstrap = BootstrappedDice([str(k) for k in range(400)], n_resamples=4000)
    interval = bootstrap.interval(bootstrap.means(values))
    half = 1.96 * float(values.std()) / 20
    np.testing.assert_allclose([interval.low, interval.high], [values.mean() - half, values.mean() + half], atol=4e-3)


def test_one_patient_has_a_value_without_an_interval():
    bootstrap = BootstrappedDice(["a", "a"])
    interval = bootstrap.interval(bootstrap.means(torch.tensor([[0.2], [0.6]])))
    np.testing.assert_allclose(interval.value, 0.4)
    assert np.isnan([interval.low, interval.high]).all()


def test_a_resample_that_lacks_a_class_is_dropped():
    """A class of two in ten patients that is harder than the other: a mean without it would be too high."""
    dice = torch.full((10, 2), NAN)
    dice[:, 0] = torch.linspace(0.8, 0.9, 10)
    dice[:2, 1] = torch.tensor([0.1, 0.2])
    bootstrap = BootstrappedDice([str(k) for k in range(10)], n_resamples=2000)
    means = bootstrap.means(dice)
    lacking = 0.8**10
    np.testing.assert_allclose(means[1:].isnan().double().mean(), lacking, atol=0.03)
    assert float(means[1:].nan_to_num().max()) < 0.6
    np.testing.assert_allclose(means[1:].nanmean(), means[0], atol=0.005)
    interval = bootstrap.interval(means)
    assert interval.low < interval.value == float(means[0]) < interval.high
    assert bootstrap.shown_by(dice, ["often", "rare"]) == {"often": 10, "rare": 2}


def test_where_too_many_resamples_lack_a_class_there_is_no_interval():
    """Ten classes of one patient each are hardly ever drawn together; the mean of the others excluded the value."""
    dice = torch.full((30, 11), NAN)
    dice[:, 0] = 0.4 + 0.2 * torch.rand(30, generator=torch.Generator().manual_seed(0))
    dice[torch.arange(10), 1 + torch.arange(10)] = torch.linspace(0.0, 0.2, 10)
    bootstrap = BootstrappedDice([str(k) for k in range(30)])
    interval = bootstrap.interval(bootstrap.means(dice))
    np.testing.assert_allclose(interval.value, dice.nanmean(0).mean(), rtol=1e-6)
    assert not interval.has_bounds
    assert interval.text() == f"{interval.value:.3f}"
    gain = bootstrap.interval(bootstrap.means(dice) - bootstrap.means(dice / 2))
    assert gain.value > 0
    assert not gain.has_bounds


def test_a_class_of_one_patient_leaves_no_interval():
    """It has no spread to draw from."""
    dice = torch.rand(30, 2, generator=torch.Generator().manual_seed(0))
    dice[1:, 1] = NAN
    bootstrap = BootstrappedDice([str(k) for k in range(30)])
    assert not bootstrap.interval(bootstrap.means(dice)).has_bounds
    dice[1:5, 1] = 0.5
    assert bootstrap.interval(bootstrap.means(dice)).has_bounds


def test_classes_that_every_resample_shows_have_the_mean_over_all_of_them():
    dice = torch.rand(12, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    patients = [str(k // 2) for k in range(12)]
    found = BootstrappedDice(patients, n_resamples=20, seed=4).means(dice)
    draws = np.random.default_rng(4).integers(6, size=(20, 6))
    expected = [dice.view(6, 2, 3)[torch.from_numpy(drawn)].mean() for drawn in draws]
    np.testing.assert_allclose(found, [dice.mean(), *expected])
