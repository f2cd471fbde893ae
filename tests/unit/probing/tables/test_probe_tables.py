"""What the heading of a table says of scores without an interval."""

import json

import pytest

from meddino_components.probing.statistics.intervals import Interval
from meddino_components.probing.tables.probe_tables import write_tables
from meddino_components.probing.tables.rows import Row

NAN = float("nan")
FACTS = {
    "set": "toy",
    "size_px": 32,
    "samples": {"train": 9, "test": 30},
    "units": 30,
    "unit": "patients",
    "shown_by": {"liver": 28, "duct": 1, "cyst": 2, "vein": 3, "never": 0},
    "within_one_patient": False,
}
REASON = "no interval of Dice: too many resamples lack a class; rarest, by patients: duct 1, cyst 2, vein 3"


def row(dice):
    return Row("m", False, "linear", {"Dice": dice, "accuracy": Interval(0.8, 0.7, 0.9)}, {"raw pixels": dice})


def test_says_which_scores_have_no_interval_and_why(tmp_path):
    heading = write_tables(tmp_path, "toy", [row(Interval(0.5, NAN, NAN))], FACTS, main="Dice")
    assert heading == f"toy, 32 px; 9 for training, 30 for the test in 30 patients; {REASON}"
    assert json.loads((tmp_path / "toy.json").read_text(encoding="utf-8"))["no_interval"] == REASON
    assert "| m | linear | 0.500 | 0.800 (0.700 to 0.900) |" in (tmp_path / "toy.md").read_text(encoding="utf-8")
    assert (tmp_path / "toy.png").stat().st_size > 5_000


@pytest.mark.parametrize("dice", [Interval(0.5, 0.4, 0.6), Interval(NAN, NAN, NAN)])
def test_says_nothing_where_there_are_intervals_or_no_values(tmp_path, dice):
    assert "no interval" not in write_tables(tmp_path, "toy", [row(dice)], FACTS, main="Dice")
    assert "no_interval" not in json.loads((tmp_path / "toy.json").read_text(encoding="utf-8"))


def test_one_patient_cannot_be_resampled(tmp_path):
    heading = write_tables(tmp_path, "toy", [row(Interval(0.5, NAN, NAN))], {**FACTS, "units": 1}, main="Dice")
    assert heading.endswith("no interval of Dice: nothing to resample")
