"""Rows from metrics under the same resamples."""

import pytest
import torch

from meddino_components.probing.tables.rows import measured_rows


def test_intervals_and_gains_of_pairs():
    draws = torch.linspace(0, 1, 101, dtype=torch.float64)
    values = {"a": torch.cat((torch.tensor([0.7]), draws)), "pixels": torch.cat((torch.tensor([0.4]), draws - 0.3))}
    measured = {
        (name, probe): {"AUC": value, "F1": value / 2} for probe in ("knn", "mine") for name, value in values.items()
    }
    more = {("a", "mine"): {"detail": 3.0}}
    rows = measured_rows(measured, ["pixels"], main="AUC", more=more)
    assert [(row.encoder, row.probe, row.is_control) for row in rows] == [
        ("a", "knn", False),
        ("pixels", "knn", True),
        ("a", "mine", False),
        ("pixels", "mine", True),
    ]
    first = rows[0]
    assert (first.scores["AUC"].value, first.scores["F1"].value) == pytest.approx((0.7, 0.35))
    assert (first.scores["AUC"].low, first.scores["AUC"].high) == pytest.approx((0.025, 0.975))
    # resampled alike, the two differ by the same in every resample
    gain = first.gains["pixels"]
    assert (gain.value, gain.low, gain.high) == pytest.approx((0.3, 0.3, 0.3))
    assert rows[1].gains == {}
    assert (rows[0].more, rows[2].more) == ({}, {"detail": 3.0})
