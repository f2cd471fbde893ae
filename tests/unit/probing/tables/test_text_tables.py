"""Tables of text in three formats."""

import csv
from io import StringIO

from meddino_components.probing.statistics.intervals import Interval
from meddino_components.probing.tables.text_tables import csv_text, latex, markdown

TABLE = [["encoder", "AUC"], ["my_net, 50 %", "0.9"], ["A & B", ""]]


def test_markdown():
    expected = ["What.", "", "| encoder | AUC |", "|---|---|", "| my_net, 50 % | 0.9 |", "| A & B |  |"]
    assert markdown(TABLE, heading="What.").splitlines() == expected


def test_signs_of_latex_are_escaped():
    lines = latex(TABLE, heading="What.", columns="lc").splitlines()
    assert lines[:4] == ["% What.", r"\begin{tabular}{lc}", r"\hline", r"encoder & AUC \\"]
    assert lines[5:] == [r"my\_net, 50 \% & 0.9 \\", r"A \& B &  \\", r"\hline", r"\end{tabular}"]


def test_commas_in_a_csv_are_quoted():
    assert list(csv.reader(StringIO(csv_text(TABLE)))) == TABLE


HOSTILE = [["=1+1", "a|b"], ["x\\y $1 #2 {z} ~ ^", "two\nlines"]]


def test_names_break_no_table():
    lines = markdown(HOSTILE, heading="What.").splitlines()
    assert lines[2:] == [r"| =1+1 | a\|b |", "|---|---|", r"| x\\y $1 #2 {z} ~ ^ | two lines |"]
    rows = latex(HOSTILE, heading="two\nlines", columns="lc").splitlines()
    assert rows[0] == "% two lines"
    assert rows[5] == (r"x\textbackslash{}y \$1 \#2 \{z\} \textasciitilde{} \textasciicircum{} & two lines \\")
    assert csv_text(HOSTILE).startswith("'=1+1,a|b\n")


def test_intervals_as_text():
    gain = Interval(0.0504, -0.01, 0.11)
    assert gain.text() == "0.050 (-0.010 to 0.110)"
    assert gain.text(signed=True) == "+0.050 (-0.010 to +0.110)"
