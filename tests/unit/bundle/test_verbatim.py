"""A wrapped path passes a configuration as it is."""

from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from meddino_components.bundle.verbatim import Verbatim, unwrap_all, wrap


@pytest.mark.parametrize("text", ["out#8", "@x", "$1 + 1", "%x", "a::b", "4711", "@other"])
def test_nothing_of_it_is_read(text):
    parser = ConfigParser(
        {"path": "", "other": 1, "made": "$@path + '/x'", "given": {"_target_": "builtins.dict", "path": "@path"}}
    )
    parser.update(wrap({"path": text}))
    parser.parse()
    unwrap_all(parser)
    assert parser.get_parsed_content("path") == text
    assert parser.get_parsed_content("made") == text + "/x"
    assert parser.get_parsed_content("given") == {"path": text}


def test_texts_paths_and_lists_of_them_are_wrapped_others_not():
    assert wrap({"a": Path("x#1"), "b": ["y", Path("z")], "c": 3, "d": [1, 2], "e": {"_target_": "T"}, "f": None}) == {
        "a": Verbatim("x#1"),
        "b": Verbatim(["y", "z"]),
        "c": 3,
        "d": [1, 2],
        "e": {"_target_": "T"},
        "f": None,
    }
