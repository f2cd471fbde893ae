"""Long lists in messages."""

import pytest

from meddino_components.data.image_sets.naming import first_few


@pytest.mark.parametrize(
    ("names", "text"),
    [([], ""), (["a", 2], "a, 2"), (list("abcde"), "a, b, c, d, e"), (range(12), "0, 1, 2, 3, 4 and 7 more")],
)
def test_the_first_five_and_how_many_more(names, text):
    assert first_few(names) == text
