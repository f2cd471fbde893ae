"""Tables and plots of a sweep."""

import pytest

from meddino_components.pictures.blank_figure import blank_figure
from meddino_components.probing.statistics.intervals import Interval
from meddino_components.probing.sweep import report as sweep_report
from meddino_components.probing.sweep.report import Cell, write_sweep
from meddino_components.probing.tables.rows import Row


def test_sets_with_and_without_attention_in_one_table(tmp_path):
    """Pictures have none; their cells are empty, whichever set comes first."""

    def cell(image_set, probes):
        rows = [
            Row(name, name == "raw pixels", probe, {"AUC": Interval(value, 0.4, 0.9)}, {})
            for name, value in (("m", 0.75), ("raw pixels", 0.5))
            for probe in probes
        ]
        return Cell(task=image_set, main="AUC", model="m", size_px=32, parameters=1, flops=1, rows=tuple(rows))

    pictures, volumes = cell("pictures", ["knn"]), cell("volumes", ["knn", "attention"])
    for cells in ([pictures, volumes], [volumes, pictures]):
        write_sweep(tmp_path, cells)
        lines = (tmp_path / "sweep.md").read_text(encoding="utf-8").splitlines()
        of_set = {line.split(" | ")[0]: line for line in lines}
        assert of_set["| pictures"].endswith("| 0.750 (0.400 to 0.900) | 0.500 |  |  |")
        assert of_set["| volumes"].count("0.750 (0.400 to 0.900) | 0.500 |") == 2


@pytest.mark.parametrize(
    "interval",
    [Interval(0.5, float("nan"), float("nan")), Interval(0.3, 0.3 + 1e-16, 0.3)],
)
def test_values_without_an_interval_and_bounds_off_by_rounding_are_drawn(tmp_path, interval):
    rows = [
        Row("m", False, "knn", {"AUC": interval}, {}),
        Row("raw pixels", True, "knn", {"AUC": interval}, {}),
    ]
    write_sweep(tmp_path, [Cell("set", "AUC", "m", 32, 1, 1, tuple(rows))])
    assert (tmp_path / "sweep_set.png").stat().st_size > 10_000
    assert f"| {interval.text()} |" in (tmp_path / "sweep.md").read_text(encoding="utf-8")


def test_lines_of_the_plots_are_named(tmp_path, monkeypatch):
    figures = []

    def keep(*args, **kwargs):
        figures.append(blank_figure(*args, **kwargs))
        return figures[-1]

    monkeypatch.setattr(sweep_report, "blank_figure", keep)
    score = {"AUC": Interval(0.5, 0.4, 0.6)}
    rows = [Row(name, name == "raw pixels", p, score, {}) for name in ("m", "raw pixels") for p in ("knn", "linear")]
    write_sweep(tmp_path, [Cell("set", "AUC", "m", size, 1, size, tuple(rows)) for size in (32, 64)])
    (figure,) = figures
    legends = [axes.get_legend() for axes in figure.axes]
    names = [{text.get_text() for text in legend.get_texts()} for legend in legends[:3]]
    assert names == [{"32 px", "64 px", "raw pixels"}, {"m", "raw pixels"}, {"m", "raw pixels"}]
    assert legends[3:] == [None] * 3


def test_a_cell_survives_plain_data():
    rows = (
        Row("m", False, "knn", {"AUC": Interval(0.5, 0.4, 0.6)}, {"raw pixels": Interval(0.1, 0.0, 0.2)}, {"n": 3}),
    )
    cell = Cell(task="set", main="AUC", model="m", size_px=32, parameters=5, flops=7, rows=rows)
    assert Cell.from_data(cell.as_data()) == cell
