"""Every cell once, and what its tables hold."""

import csv

import numpy as np
import pytest

from meddino_components.errors import InputError
from meddino_components.evaluation import run_sweep, sweep
from meddino_components.evaluation.intervals import Interval
from meddino_components.evaluation.score_tables import Row
from meddino_components.evaluation.sweep_report import Cell, write_sweep

MODELS = [
    {"name": "one block", "backbone": "vit_tiny", "depth": 1, "weights": "random"},
    {"name": "two blocks", "backbone": "vit_tiny", "depth": 2, "weights": "random"},
]
QUIET = {"progress": False, "num_workers": 0, "n_resamples": 50}


@pytest.fixture
def source(tmp_path):
    """Two classes in pictures of 28 pixels."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 24), ("val", 8), ("test", 16)):
        labels = np.arange(n) % 2
        images = rng.integers(0, 60, (n, 28, 28)) + 120 * labels[:, None, None] * (np.arange(28) < 14)
        arrays |= {f"{split}_images": images.astype(np.uint8), f"{split}_labels": labels[:, None].astype(np.uint8)}
    np.savez(tmp_path / "set.npz", **arrays)
    return {"root": str(tmp_path / "set.npz"), "layout": "medmnist"}


@pytest.fixture
def computed(monkeypatch):
    """(model, size) of the cells that are computed."""
    cells = []

    def evaluate(**settings):
        cells.append((settings["encoders"][0].name, settings["size_px"]))
        return original(**settings)

    original = sweep.evaluate_classification
    monkeypatch.setattr(sweep, "evaluate_classification", evaluate)
    return cells


def sweep_all(tmp_path, source, models=MODELS, sizes_px=(16, 32), **changes):
    settings = {"output_dir": tmp_path / "out", "cache_dir": tmp_path / "cache", **QUIET, **changes}
    return run_sweep(models=models, sizes_px=sizes_px, image_sets={"toy": source}, **settings)


def test_tables_hold_every_cell_and_its_cost(tmp_path, source):
    cells = sweep_all(tmp_path, source)
    assert [(cell.model, cell.size_px) for cell in cells] == [(m["name"], s) for m in MODELS for s in (16, 32)]
    one, two = cells[0], cells[2]
    # a block of width 192: attention 4 w^2, feed-forward 8 w^2, biases and norms
    assert two.parameters - one.parameters == pytest.approx(12 * 192**2, rel=0.02)
    # one and four patches, each with five more tokens
    assert cells[1].flops / cells[0].flops == pytest.approx(9 / 6, rel=0.1)
    rows = list(csv.DictReader((tmp_path / "out" / "sweep.csv").open()))
    assert len(rows) == 4 * 3 * 3
    pixels = [float(row["AUC"]) for row in rows if row["encoder"] == "raw pixels"]
    assert pixels == [1.0] * 12
    lines = (tmp_path / "out" / "sweep.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 4 + 4
    assert "| toy | one block | 16 |" in lines[4]
    assert (tmp_path / "out" / "sweep.tex").read_text(encoding="utf-8").count(r"\\") == 5
    assert (tmp_path / "out" / "sweep_toy.png").stat().st_size > 10_000


def test_finished_cells_are_not_computed_again_unless_something_changed(tmp_path, source, computed):
    first = sweep_all(tmp_path, source)
    assert len(computed) == 4
    assert sweep_all(tmp_path, source) == first
    assert len(computed) == 4
    # one more size, and one model with other weights
    models = [MODELS[0], {**MODELS[1], "layerscale_init": 1.0}]
    sweep_all(tmp_path, source, models, sizes_px=(16, 32, 48))
    assert computed[4:] == [("one block", 48), ("two blocks", 16), ("two blocks", 32), ("two blocks", 48)]


def test_a_cell_without_its_last_file_is_computed_again(tmp_path, source, computed):
    sweep_all(tmp_path, source)
    (tmp_path / "out" / "cells" / "toy__one block__32" / "cell.json").unlink()
    sweep_all(tmp_path, source)
    assert computed[4:] == [("one block", 32)]


def test_cells_survive_json(tmp_path, source):
    (cell,) = sweep_all(tmp_path, source, MODELS[:1], (16,))
    assert Cell.from_data(cell.as_data()) == cell


@pytest.mark.parametrize(("models", "sizes"), [([], (16,)), (MODELS, ()), ([MODELS[0], MODELS[0]], (16,))])
def test_nothing_to_sweep(tmp_path, source, models, sizes):
    with pytest.raises(InputError, match="expected at least one of each"):
        sweep_all(tmp_path, source, models, sizes)


def test_sets_with_and_without_attention_in_one_table(tmp_path):
    """Pictures have none; their cells are empty, whichever set comes first."""

    def cell(image_set, probes):
        rows = [
            Row(name, name == "raw pixels", probe, {"AUC": Interval(value, 0.4, 0.9)}, {})
            for name, value in (("m", 0.75), ("raw pixels", 0.5))
            for probe in probes
        ]
        return Cell(image_set=image_set, model="m", size_px=32, parameters=1, flops=1, rows=tuple(rows))

    pictures, volumes = cell("pictures", ["knn"]), cell("volumes", ["knn", "attention"])
    for cells in ([pictures, volumes], [volumes, pictures]):
        write_sweep(tmp_path, cells)
        lines = (tmp_path / "sweep.md").read_text(encoding="utf-8").splitlines()
        of_set = {line.split(" | ")[0]: line for line in lines}
        assert of_set["| pictures"].endswith("| 0.750 (0.400 to 0.900) | 0.500 |  |  |")
        assert of_set["| volumes"].count("0.750 (0.400 to 0.900) | 0.500 |") == 2
