"""Numbers of things in messages."""

import pytest

from meddino_components.wording import counted


@pytest.mark.parametrize(("n", "text"), [(0, "0 cases"), (1, "1 case"), (2, "2 cases"), (1200, "1,200 cases")])
def test_counts_have_the_right_form_of_the_noun(n, text):
    assert counted(n, "case") == text
