import csv
import json
import re

from organ_scores import NAN
from planted_folds import fold_scores, planted_fold

from meddino_components.cross_validation.pooled import pool
from meddino_components.cross_validation.report import NAMES, write_report
from meddino_components.evaluation import PUBLISHED_METRICS
from meddino_components.files import OutputFolder
from meddino_components.probing import Bootstrap

FOLDS = [
    fold_scores(0, {"a": {"liver": 0.9, "spleen": NAN}, "b": {"liver": 0.5, "spleen": 0.8}}, amp=True),
    fold_scores(1, {"c": {"liver": 0.7, "spleen": 0.6}, "d": {"liver": 0.3, "spleen": 0.4}}, amp=True, network="best"),
]


def test_page_table_and_numbers(tmp_path):
    folds = [planted_fold(tmp_path, number) for number in range(2)]
    bootstrap = Bootstrap(n_resamples=100)
    pooled = pool(FOLDS, PUBLISHED_METRICS, bootstrap)
    page = write_report(OutputFolder(tmp_path), folds, pooled, bootstrap, title="Cross-validation of ours, 2 folds")
    assert page == tmp_path / "report.html"
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == set(NAMES)

    found = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert (found["cases"]["scored"], found["patients"]) == (4, 4)
    assert found["organs"]["spleen"]["dice"]["n"] == 3
    interval = found["intervals"]["mean_dice"]
    assert interval["low"] < interval["value"] == found["mean_dice"] < interval["high"]
    assert [(fold["fold"], fold["cases"]) for fold in found["folds"]] == [(0, ["a", "b"]), (1, ["c", "d"])]
    assert [round(fold["mean_dice"], 6) for fold in found["folds"]] == [0.75, 0.5]
    # settings that all folds share, and not the networks that differ
    assert found["settings"]["amp"] is True
    assert "network" not in found["settings"]

    with (tmp_path / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["case"], row["organ"], row["dice"]) for row in rows[:3]] == [
        ("a", "liver", "0.9"),
        ("a", "spleen", "nan"),
        ("b", "liver", "0.5"),
    ]

    text = page.read_text(encoding="utf-8")
    tables = re.findall(r"<h2>(.*?)</h2>", text)
    assert tables[:3] == ["Organs", "Intervals", "Folds"]
    assert re.search(r"<td>liver</td><td>0\.600 \(0\.\d{3} to 0\.\d{3}\)</td>", text)
    assert "<td>0</td><td>2</td><td>2</td><td>0.750</td>" in text
    assert "4 patients" in text
