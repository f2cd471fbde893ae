"""How intervals are written, and when they exclude 0."""

import pytest

from meddino_components.probing.statistics.intervals import Interval

NAN = float("nan")


@pytest.mark.parametrize(
    ("interval", "signed", "text"),
    [
        (Interval(0.5, 0.4, 0.6), False, "0.500 (0.400 to 0.600)"),
        (Interval(0.05, -0.01, 0.11), True, "+0.050 (-0.010 to +0.110)"),
        (Interval(0.5, NAN, NAN), False, "0.500"),
        (Interval(NAN, NAN, NAN), False, "nan (nan to nan)"),
    ],
)
def test_text(interval, signed, text):
    assert interval.text(signed=signed) == text


def test_bounds():
    assert Interval(0.5, 0.4, 0.6).has_bounds
    assert Interval(0.5, 0.4, 0.6).excludes_zero
    assert Interval(-0.5, -0.6, -0.4).excludes_zero
    assert not Interval(0.1, -0.1, 0.3).excludes_zero
    assert not Interval(0.5, NAN, NAN).has_bounds
    assert not Interval(0.5, NAN, NAN).excludes_zero
