import math

import numpy as np
import pytest
from organ_scores import NAN
from planted_folds import fold_scores, planted_fold, score, write_evaluation

from meddino_components.cross_validation.pooled import pool, read_fold
from meddino_components.errors import InputError
from meddino_components.evaluation import PUBLISHED_METRICS
from meddino_components.probing import Bootstrap

FOLDS = [
    fold_scores(0, {"a": {"liver": 0.9, "spleen": NAN}, "b": {"liver": 0.5, "spleen": 0.8}}),
    fold_scores(1, {"c": {"liver": 0.7, "spleen": 0.6}, "d": {"liver": 0.0, "spleen": 0.4}}),
]


def test_means_are_over_all_cases_then_over_organs():
    pooled = pool(FOLDS, PUBLISHED_METRICS, Bootstrap(n_resamples=200))
    assert pooled.summary.organs["liver"].n == 4
    assert pooled.summary.organs["spleen"].n == 3
    assert pooled.summary.means["dice"] == pytest.approx(((0.9 + 0.5 + 0.7 + 0.0) / 4 + (0.8 + 0.6 + 0.4) / 3) / 2)
    # the intervals' values are the same numbers; a missed organ has no distance
    for metric in PUBLISHED_METRICS:
        assert pooled.means[metric.name].value == pytest.approx(pooled.summary.means[metric.name])
        for organ in ("liver", "spleen"):
            expected = pooled.summary.organs[organ].values[metric.name].mean
            assert pooled.of_organs[organ][metric.name].value == pytest.approx(expected)
    assert [one.case_id for one in pooled.scores] == ["a", "a", "b", "b", "c", "c", "d", "d"]


def test_intervals_resample_patients_and_not_cases():
    dice = {f"case{number}": {"liver": 0.1 * number} for number in range(8)}
    rng = np.random.default_rng(5)
    draws = rng.integers(4, size=(500, 4))
    # two cases of each patient
    of_patients = np.array([[0.0, 0.1], [0.2, 0.3], [0.4, 0.5], [0.6, 0.7]])
    low, high = np.quantile([of_patients[drawn].mean() for drawn in draws], (0.025, 0.975))
    patients = {case: f"patient{number // 2}" for number, case in enumerate(dice)}
    folds = [
        fold_scores(k, {case: dice[case] for case in cases}, {case: patients[case] for case in cases})
        for k, cases in enumerate((list(dice)[:4], list(dice)[4:]))
    ]
    found = pool(folds, PUBLISHED_METRICS[:1], Bootstrap(n_resamples=500, seed=5)).means["dice"]
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-5)
    assert pool(folds, PUBLISHED_METRICS[:1], Bootstrap(n_resamples=0)).means["dice"].value == pytest.approx(0.35)


def test_an_organ_that_no_case_has_counts_nowhere():
    folds = [fold_scores(k, {case: {"liver": 0.5, "bladder": NAN}}) for k, case in enumerate("ab")]
    pooled = pool(folds, PUBLISHED_METRICS, Bootstrap(n_resamples=20))
    assert math.isnan(pooled.of_organs["bladder"]["dice"].value)
    assert pooled.means["dice"].value == pytest.approx(0.5)


def test_an_organ_that_was_not_annotated_counts_in_the_other_cases():
    partial = fold_scores(1, {"c": {"liver": 0.7, "spleen": 0.6}, "d": {"liver": 0.0}})
    pooled = pool([FOLDS[0], partial], PUBLISHED_METRICS, Bootstrap(n_resamples=20))
    assert (pooled.summary.organs["spleen"].n_annotated, pooled.summary.organs["liver"].n_annotated) == (3, 4)
    assert pooled.of_organs["spleen"]["dice"].value == pytest.approx((0.8 + 0.6) / 2)
    assert pooled.of_organs["liver"]["dice"].value == pytest.approx((0.9 + 0.5 + 0.7 + 0.0) / 4)


def test_folds_that_do_not_belong_together():
    with pytest.raises(InputError, match="case a is a validation case of fold 0 and of fold 1"):
        pool([FOLDS[0], fold_scores(1, {"a": {"liver": 1.0, "spleen": 1.0}})], PUBLISHED_METRICS, Bootstrap())
    with pytest.raises(InputError, match="fold 1 has the organs liver, fold 0 has liver, spleen"):
        pool([FOLDS[0], fold_scores(1, {"e": {"liver": 1.0}})], PUBLISHED_METRICS, Bootstrap())


def test_a_fold_is_read_as_it_was_scored(tmp_path):
    fold = planted_fold(tmp_path, 2)
    write_evaluation(fold, [score("a", "liver", 0.5), score("b", "liver", NAN)])
    cases = [{"case_id": "a", "patient": "p"}, {"case_id": "b"}]
    found = read_fold(fold, cases, PUBLISHED_METRICS)
    assert (found.number, found.patients, found.organs) == (2, {"a": "p", "b": "b"}, ["liver"])
    assert found.scores[0].values == {"dice": 0.5, "surface_dice_1mm": 0.5, "hd95_mm": 3.0}
    with pytest.raises(InputError, match=r"does not have exactly the 1 validation case of fold 2; b differs"):
        read_fold(fold, cases[:1], PUBLISHED_METRICS)
