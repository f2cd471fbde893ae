"""A word becomes what the annotation asks for; a text stays as typed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from meddino_components.command_line.values import parse_value
from meddino_components.errors import InputError

TEXTS = [
    "a #1",
    "4711",
    "2024_01_05",
    "None",
    "True",
    "'q'",
    "$x",
    "@x",
    "%x",
    "{x",
    "[x",
    "a,b",
    "-",
    "",
    "é\udce9",
    "['a']",
]


@pytest.mark.parametrize("annotation", [str, str | None, str | Path, str | Path | None])
@pytest.mark.parametrize("text", TEXTS)
def test_texts_as_typed(text, annotation):
    assert parse_value("--x", text, annotation) == text


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("3", int, 3),
        ("-3", int | None, -3),
        ("None", int | None, None),
        ("1e-3", float, 0.001),
        ("5", float, 5.0),
        ("False", bool, False),
        ("true", bool | str, True),
        ("auto", bool | str, "auto"),
        ("256", int | Sequence[int], 256),
        ("256,512", int | Sequence[int], [256, 512]),
        ("[256, 512]", int | Sequence[int], [256, 512]),
        ("[[1, 2], [3, 4]]", Sequence[Any], [[1, 2], [3, 4]]),
        ("[-160,240.5]", Sequence[float] | None, [-160, 240.5]),
        ("['a #1', '$b']", str | Sequence[str], ["a #1", "$b"]),
        ("a,b", str | Sequence[str], "a,b"),
        ("a", Sequence[str], ["a"]),
        ("{'A': '/data/#1'}", str | Sequence[str] | Mapping[str, str], {"A": "/data/#1"}),
        ("mm", Literal["voxel", "mm"], "mm"),
        ("[1, 2]", Any, [1, 2]),
        ("False", object, False),
        ("vit", Any, "vit"),
    ],
)
def test_values(text, annotation, value):
    found = parse_value("--x", text, annotation)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "annotation", "message"),
    [
        ("many", int, "--x is 'many'; expected a whole number"),
        ("1_000", int, "--x is '1_000'; expected a whole number"),
        ("3.5", int | None, "expected a whole number"),
        ("nan", float, "expected a number"),
        ("maybe", bool, "expected True or False"),
        ("voxl", Literal["voxel", "mm"], "expected voxel, mm: did you mean voxel?"),
        ("['a', 3]", str | Sequence[str], "expected \"['a', 'b']\" in Python syntax, with strings in quotes"),
        ("[a, b]", str | Sequence[str], "expected \"['a', 'b']\""),
        ("{A: /x}", str | Mapping[str, str], "expected \"{'name': 'path'}\""),
        ("['1']", int | Sequence[int], 'expected "[1, 2]"'),
        ("x", Sequence[float] | None, 'expected a list, "[1, 2]"'),
    ],
)
def test_refuses(text, annotation, message):
    with pytest.raises(InputError) as error:
        parse_value("--x", text, annotation)
    assert message in str(error.value)


def test_a_folder_named_like_a_list_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "['a']").mkdir()
    assert parse_value("--x", "['a']", str | Sequence[str]) == "['a']"
