"""Numbers and lists of things in messages."""

import pytest

from meddino_components.wording import counted, first_few


@pytest.mark.parametrize(("n", "text"), [(0, "0 cases"), (1, "1 case"), (2, "2 cases"), (1200, "1,200 cases")])
def test_counts_have_the_right_form_of_the_noun(n, text):
    assert counted(n, "case") == text


@pytest.mark.parametrize(
    ("names", "text"),
    [([], ""), (["a", 2], "a, 2"), (list("abcde"), "a, b, c, d, e"), (range(12), "0, 1, 2, 3, 4 and 7 more")],
)
def test_the_first_five_and_how_many_more(names, text):
    assert first_few(names) == text
