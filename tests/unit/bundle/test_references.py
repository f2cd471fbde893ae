"""A key is read where what is run reaches it."""

import pytest

from meddino_components.bundle.references import keys_read

CONFIG = {
    "a": 1,
    "b": "@a",
    "copied": {"x": 1},
    "deep": {"used": {"_target_": "T", "x": "$@b + 1"}, "unused": "@lost"},
    "listed": [{"x": "@first"}, "@second"],
    "first": 1,
    "second": 2,
    "lost": 3,
    "text": "mail@lost",
    "run": ["$@deep::used.run(@listed::1)", "@text", "%copied"],
    "other": "@other",
}


@pytest.mark.parametrize(
    ("entry_points", "expected"),
    [
        (["run"], {"run", "deep", "b", "a", "listed", "second", "text", "copied"}),
        (["listed"], {"listed", "first", "second"}),
        (["deep"], {"deep", "b", "a", "lost"}),
        (["other"], {"other"}),
        (["not there"], set()),
    ],
)
def test_keys_read(entry_points, expected):
    assert keys_read(CONFIG, entry_points) == expected
