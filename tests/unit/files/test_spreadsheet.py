"""No cell of a CSV file is a formula, and reading it back gives what was written."""

import csv
import io

import pytest

from meddino_components.files import plain_cell, safe_cell, write_csv


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "=cmd|' /C calc'!A0",
        "'=1",
        "''@x",
        "-",
        "+A1",
        "-case",
    ],
)
def test_what_a_spreadsheet_would_evaluate(text):
    assert safe_cell(text) == f"'{text}"
    assert plain_cell(safe_cell(text)) == text


@pytest.mark.parametrize("value", ["liver", "-0.5", "+1e-3", "-inf", "nan", "", "'quoted'", "a=b", -0.5, None, 3])
def test_what_stays_as_it_is(value):
    assert safe_cell(value) == value
    if isinstance(value, str):
        assert plain_cell(value) == value


def test_rows():
    file = io.StringIO()
    write_csv(file, [["case", "dice"], ["=LINK(0)", -0.5], ["a,b", "-0.5"]])
    assert list(csv.reader(io.StringIO(file.getvalue()))) == [
        ["case", "dice"],
        ["'=LINK(0)", "-0.5"],
        ["a,b", "-0.5"],
    ]
