"""Which cases the page shows, and that it says what is missing."""

from __future__ import annotations

from meddino_components.evaluation.report_page import choose_cases


def test_choice_of_cases() -> None:
    assert list(choose_cases("abcdefghi", 2).items()) == [
        ("a", "worst"),
        ("b", "worst"),
        ("d", "median"),
        ("e", "median"),
    ]
    assert choose_cases(["a"], 3) == {"a": "worst"}
    assert choose_cases([], 3) == {}
