"""A hundred damaged headers, always the same ones: each file is read rightly, or refused in one line."""

import os
import sys

import pytest
from command_lines import REPOSITORY

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")


@pytest.fixture
def header_fuzz(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    import header_fuzz

    yield header_fuzz
    for name in ("header_fuzz", "common", "fuzz", "fuzz.samples", "fuzz.mutations", "fuzz.outcomes"):
        sys.modules.pop(name, None)


def test_no_damaged_header_is_misread(header_fuzz, tmp_path):
    lines = header_fuzz.run(100, tmp_path, a_child=25)
    assert [line for line in lines if line["outcome"] not in header_fuzz.GOOD] == []
    assert {line["outcome"] for line in lines} >= {"right", "refused"}


def test_what_goes_wrong_is_seen(header_fuzz):
    from fuzz.outcomes import Outcome, in_child

    def hang():
        while True:
            pass

    def hoard():
        return [Outcome(kind="right", text=str(len(bytearray(2**33))))]

    assert in_child(lambda: [Outcome(kind="right")]) == [Outcome(kind="right")]
    assert in_child(hoard).kind == "died"
    sys.modules["fuzz.outcomes"].SECONDS = 1
    assert in_child(hang).kind == "too long"
