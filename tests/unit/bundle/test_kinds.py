"""Each kind of value says what it expects and reads what can be meant; anything else is a ValueError."""

from dataclasses import dataclass

import pytest
import torch

from meddino_components.bundle import kinds
from meddino_components.errors import InputError

GOOD = [
    (kinds.whole(1), "4", 4),
    (kinds.whole(0), 4.0, 4),
    (kinds.among(1, 3), "3", 3),
    (kinds.number(), "1e-4", 1e-4),
    (kinds.number(above=0, high=1), 1, 1),
    (kinds.truth(), False, False),
    (kinds.off(), False, False),
    (kinds.text(), 7, "7"),
    (kinds.choice("ct", "mr"), " CT ", "ct"),
    (kinds.several(kinds.whole(1), "sizes", length=2), 64, [64, 64]),
    (kinds.several(kinds.text(), "names"), "a", ["a"]),
    (kinds.either(kinds.truth(), kinds.text()), "path", "path"),
    (kinds.ordered_pair(kinds.number(0), "two"), (0.1, "0.5"), [0.1, 0.5]),
    (kinds.mapping(values=kinds.number()), "{'a': '2', '_desc_': 'x'}", {"a": 2.0, "_desc_": "x"}),
    (kinds.names(), {"1": "liver"}, {1: "liver"}),
    (kinds.names(), "['background', 'liver']", ["background", "liver"]),
    (kinds.device(), "cpu", torch.device("cpu")),
]
BAD = [
    (kinds.whole(1), 0),
    (kinds.whole(1), 2.5),
    (kinds.whole(0), True),
    (kinds.whole(0, 3), 4),
    (kinds.among(1, 3), 2),
    (kinds.number(), "nan"),
    (kinds.number(0, 1), 1.5),
    (kinds.number(above=0), 0),
    (kinds.truth(), 1),
    (kinds.off(), True),
    (kinds.off(), 0),
    (kinds.text(), True),
    (kinds.choice("ct", "mr"), "pet"),
    (kinds.several(kinds.whole(1), "sizes", length=2), [1, 2, 3]),
    (kinds.several(kinds.text(), "names", at_least=1), []),
    (kinds.ordered_pair(kinds.number(0), "two"), [2, 1]),
    (kinds.mapping(), "[1]"),
    (kinds.device(), "gpu"),
    (kinds.device(), "cuda:99"),
]


@pytest.mark.parametrize(("kind", "value", "meant"), GOOD)
def test_what_can_be_meant_is_read(kind, value, meant):
    found = kind.read(value)
    assert (found, type(found)) == (meant, type(meant))


@pytest.mark.parametrize(("kind", "value"), BAD)
def test_what_cannot_be_meant_is_refused(kind, value):
    with pytest.raises(ValueError):
        kind.read(value)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (kinds.whole(1), "a whole number of at least 1"),
        (kinds.whole(0, 3), "a whole number from 0 to 3"),
        (kinds.number(high=1), "a number of at most 1"),
        (kinds.number(above=0, high=1), "a number above 0, at most 1"),
        (kinds.among(1, 3), "one of 1, 3"),
        (kinds.choice("a", "b"), "one of a, b"),
        (kinds.either(kinds.truth(), kinds.text("a path")), "True or False, or a path"),
    ],
)
def test_what_is_expected_is_said_in_words(kind, expected):
    assert kind.expected == expected


def test_what_holds_text_and_what_may_be_none():
    assert kinds.several(kinds.text(), "names").is_text
    assert not kinds.either(kinds.text(), kinds.truth()).is_text
    assert kinds.optional(kinds.truth()).optional
    assert not kinds.truth().optional


@dataclass(frozen=True, kw_only=True)
class Component:
    steps: int = 1
    kind: str | None = None

    def __post_init__(self):
        kinds.read_fields(self, steps=kinds.whole(1), kind=kinds.optional(kinds.choice("a", "b")))


def test_fields_of_a_component_hold_what_is_meant():
    assert (Component(steps="4", kind="A").steps, Component(kind="A").kind, Component().kind) == (4, "a", None)
    with pytest.raises(InputError, match="steps of Component is 0; expected a whole number of at least 1"):
        Component(steps=0)
    with pytest.raises(InputError, match="kind of Component is 'c'; expected one of a, b or None"):
        Component(kind="c")
