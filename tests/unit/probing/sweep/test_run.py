"""Every cell once, and what its tables hold."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image
from visible_files import visible

from meddino_components.errors import InputError
from meddino_components.networks import vit_backbone
from meddino_components.probing import (
    Bootstrap,
    Encoding,
    KNearestNeighbours,
    LinearDecoder,
    LinearLayer,
    LogisticRegression,
    PlaneDecoder,
    SweepModels,
    Vectors,
    run_sweep,
)
from meddino_components.probing.statistics.intervals import Interval
from meddino_components.probing.sweep import models as sweep_models
from meddino_components.probing.sweep import tasks as sweep_tasks
from meddino_components.probing.sweep.report import Cell
from meddino_components.probing.tables.rows import Row

MODELS = [
    {"name": "one block", "backbone": "vit_tiny", "random_start": {"depth": 1}, "weights": "random"},
    {"name": "two blocks", "backbone": "vit_tiny", "random_start": {"depth": 2}, "weights": "random"},
]
PROBES = [KNearestNeighbours(), LinearLayer(), LogisticRegression(l2=[1.0, 10.0, 100.0, 1000.0])]


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

    original = sweep_tasks.evaluate_classification
    monkeypatch.setattr(sweep_tasks, "evaluate_classification", evaluate)
    return cells


def sweep_all(tmp_path, source, models=MODELS, sizes_px=(16, 32), *, encoding=None, seed=0, **changes):
    settings = {
        "output_dir": tmp_path / "out",
        "image_sets": {"toy": source},
        "encoding": Encoding(**{"cache_dir": tmp_path / "cache", "progress": False, **(encoding or {})}),
        "probes": PROBES,
        "bootstrap": Bootstrap(n_resamples=50),
        **changes,
    }
    return run_sweep(models=SweepModels(models=models, seed=seed), sizes_px=sizes_px, **settings)


def test_tables_hold_every_cell_and_its_cost(tmp_path, source):
    cells = sweep_all(tmp_path, source)
    assert [(cell.model, cell.size_px) for cell in cells] == [(m["name"], s) for m in MODELS for s in (16, 32)]
    one, two = cells[0], cells[2]
    # a block of width 192: attention 4 w^2, feed-forward 8 w^2, biases and norms
    assert two.parameters - one.parameters == pytest.approx(12 * 192**2, rel=0.02)
    # one and four patches, each with five more tokens
    assert cells[1].flops / cells[0].flops == pytest.approx(9 / 6, rel=0.1)
    rows = list(csv.DictReader((tmp_path / "out" / "sweep.csv").open()))
    assert len(rows) == 4 * 3 * 3 * 3
    pixels = [float(row["value"]) for row in rows if (row["encoder"], row["score"]) == ("raw pixels", "AUC")]
    assert pixels == [1.0] * 12
    lines = (tmp_path / "out" / "sweep.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 4 + 4
    assert "| toy | one block | 16 |" in lines[4]
    assert (tmp_path / "out" / "sweep.tex").read_text(encoding="utf-8").count(r"\\") == 5
    assert (tmp_path / "out" / "sweep_toy.png").stat().st_size > 10_000


def test_flops_are_those_of_every_matrix_product(tmp_path, source):
    """Two a multiply-add: tokens with weights, and tokens with tokens as keys and as values."""
    (cell,) = sweep_all(tmp_path, source, MODELS[1:], (384,))
    depth, width, patches = 2, 192, (384 // 16) ** 2
    tokens = patches + 5  # CLS and four storage tokens
    weights = depth * 12 * width**2  # query, key, value, projection: 4; feed-forward: 8
    attention = depth * 2 * tokens**2 * width
    embedding = patches * 3 * 16**2 * width
    assert cell.flops == 2 * (tokens * weights + attention + embedding)
    assert attention > 0.2 * cell.flops / 2


def test_finished_cells_are_not_computed_again_unless_something_changed(tmp_path, source, computed):
    first = sweep_all(tmp_path, source)
    assert len(computed) == 4
    assert sweep_all(tmp_path, source) == first
    assert len(computed) == 4
    # one more size, and one model with other weights
    models = [MODELS[0], {**MODELS[1], "random_start": {"depth": 2, "layerscale_init": 1.0}}]
    sweep_all(tmp_path, source, models, sizes_px=(16, 32, 48))
    assert computed[4:] == [("one block", 48), ("two blocks", 16), ("two blocks", 32), ("two blocks", 48)]


def test_a_cell_without_its_last_file_is_computed_again(tmp_path, source, computed):
    sweep_all(tmp_path, source)
    (written,) = (tmp_path / "out" / "cells").glob("toy__one_block__32__*/cell.json")
    written.unlink()
    sweep_all(tmp_path, source)
    assert computed[4:] == [("one block", 32)]


def test_cells_survive_json(tmp_path, source):
    (cell,) = sweep_all(tmp_path, source, MODELS[:1], (16,))
    assert Cell.from_data(cell.as_data()) == cell


@pytest.mark.parametrize(("models", "sizes"), [([], (16,)), (MODELS, ()), ([MODELS[0], MODELS[0]], (16,))])
def test_nothing_to_sweep(tmp_path, source, models, sizes):
    with pytest.raises(InputError, match="expected at least one of each"):
        sweep_all(tmp_path, source, models, sizes)


@pytest.fixture
def masks(tmp_path):
    """Pictures in which the structure is bright."""
    rows = ["image,mask"]
    for k in range(4):
        rng = np.random.default_rng(k)
        mask = np.zeros((24, 24), np.uint8)
        mask[k : k + 12, 4:18] = 1
        Image.fromarray((rng.integers(0, 60, mask.shape) + 150 * mask).astype(np.uint8)).save(tmp_path / f"{k}.png")
        Image.fromarray(mask).save(tmp_path / f"{k}_mask.png")
        rows.append(f"{k}.png,{k}_mask.png")
    (tmp_path / "masks.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return {
        "dataset_dir": str(tmp_path),
        "layout": "picture_masks",
        "layout_options": {"table": "masks.csv"},
        "label_names": ["background", "bright"],
        "n_folds": 2,
        "decoders": [LinearDecoder(), PlaneDecoder()],
        "iterations": 3,
    }


@pytest.mark.slow
def test_classification_and_segmentation_in_one_sweep(tmp_path, source, masks, monkeypatch):
    cells = sweep_all(tmp_path, source, MODELS[:1], (16, 32), segmentation_sets={"masks": masks})
    assert [(cell.task, cell.main, cell.size_px) for cell in cells] == [
        ("toy", "AUC", 16),
        ("toy", "AUC", 32),
        ("masks", "Dice", 16),
        ("masks", "Dice", 32),
    ]
    # the same encoder: the same cost
    assert [cell.flops for cell in cells[:2]] == [cell.flops for cell in cells[2:]]
    rows = list(csv.DictReader((tmp_path / "out" / "sweep.csv").open()))
    dice = [row for row in rows if row["score"] == "Dice"]
    assert {row["set"] for row in dice} == {"masks"}
    assert len(dice) == 2 * 3 * 2
    assert all(0 <= float(row["value"]) <= 1 for row in dice)
    classified, segmented = (tmp_path / "out" / "sweep.md").read_text(encoding="utf-8").split("\n\nDice; ")
    assert "| toy |" in classified
    assert "logistic" in classified
    assert "| masks |" in segmented
    assert "conv_2d, raw pixels" in segmented
    assert (tmp_path / "out" / "sweep_masks.png").stat().st_size > 10_000

    def fail(**settings):
        raise AssertionError("computed again")

    monkeypatch.setattr(sweep_tasks, "evaluate_segmentation", fail)
    again = {"segmentation_sets": {"masks": masks}, "encoding": {"num_workers": 1, "batch_size": 3}}
    assert sweep_all(tmp_path, source, MODELS[:1], (16, 32), **again) == cells
    with pytest.raises(AssertionError, match="computed again"):
        sweep_all(tmp_path, source, MODELS[:1], (16, 32), segmentation_sets={"masks": {**masks, "iterations": 4}})


@pytest.fixture
def scored(monkeypatch):
    """Main scores of the cells that are computed, by probes that cost nothing."""
    cells = []

    def scores(main, probe):
        def evaluate(*, encoders, controls, **settings):
            cells.append(main)
            names = [encoder.name for encoder in (*encoders, *controls)]
            return [Row(name, name != names[0], probe, {main: Interval(0.75, 0.4, 0.9)}, {}) for name in names]

        return evaluate

    monkeypatch.setattr(sweep_tasks, "evaluate_classification", scores("AUC", "knn"))
    monkeypatch.setattr(sweep_tasks, "evaluate_segmentation", scores("Dice", "linear"))
    return cells


@pytest.fixture
def table(tmp_path):
    """A set of a CSV file; and what writes it with some of its labels changed."""
    folder = tmp_path / "table"
    folder.mkdir()
    for k in range(12):
        Image.fromarray(np.full((8, 8), 20 * k, np.uint8)).save(folder / f"{k}.png")

    def write(changed=0):
        rows = [
            f"{k}.png,{'ab'[(k + (k < changed)) % 2]},{split}"
            for split, numbers in (("train", range(6)), ("val", range(6, 8)), ("test", range(8, 12)))
            for k in numbers
        ]
        (folder / "labels.csv").write_text("\n".join(["path,class,split", *rows]) + "\n", encoding="utf-8")

    write()
    columns = {"path_column": "path", "class_column": "class", "split_column": "split"}
    source = {"root": str(folder), "layout": "table", "options": {"table": "labels.csv", **columns}}
    return source, write, folder


def test_a_cell_is_computed_again_where_labels_or_images_changed(tmp_path, table, scored):
    source, write, folder = table
    sweep_all(tmp_path, source, MODELS[:1], (16,))
    write()
    sweep_all(tmp_path, source, MODELS[:1], (16,))
    assert scored == ["AUC"]
    write(changed=6)
    sweep_all(tmp_path, source, MODELS[:1], (16,))
    assert scored == ["AUC"] * 2
    Image.fromarray(np.full((8, 8), 9, np.uint8)).save(folder / "3.png")
    sweep_all(tmp_path, source, MODELS[:1], (16,))
    sweep_all(tmp_path, source, MODELS[:1], (16,))
    assert scored == ["AUC"] * 3


def test_a_cell_is_computed_again_where_a_mask_was_corrected(tmp_path, table, masks, scored):
    settings = {"models": MODELS[:1], "sizes_px": (16,), "segmentation_sets": {"masks": masks}}
    sweep_all(tmp_path, table[0], **settings)
    assert scored == ["AUC", "Dice"]
    Image.fromarray(np.eye(24, dtype=np.uint8)).save(tmp_path / "2_mask.png")
    sweep_all(tmp_path, table[0], **settings)
    sweep_all(tmp_path, table[0], **settings)
    assert scored == ["AUC", "Dice", "Dice"]
    # what is asked for in words is what would be done without
    masks = {**masks, "depth": 16, "allow_same_patient": False}
    sweep_all(tmp_path, table[0], **{**settings, "segmentation_sets": {"masks": masks}})
    assert scored == ["AUC", "Dice", "Dice"]


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (sweep_tasks, "_SCORING", -1),
        (sweep_models, "PREPARATION", -1),
        (sweep_models, "level_blocks", lambda backbone: [7]),
    ],
)
def test_a_cell_is_computed_again_where_this_package_changed(tmp_path, table, scored, monkeypatch, module, name, value):
    sweep_all(tmp_path, table[0], MODELS[:1], (16,))
    sweep_all(tmp_path, table[0], MODELS[:1], (16,), probes=[KNearestNeighbours(n_neighbours=20), *PROBES[1:]])
    assert scored == ["AUC"]
    monkeypatch.setattr(module, name, value)
    sweep_all(tmp_path, table[0], MODELS[:1], (16,))
    assert scored == ["AUC"] * 2


def test_a_cell_is_computed_again_where_weights_changed(tmp_path, table, scored):
    network = vit_backbone("vit_tiny", depth=1)
    models = [{"name": "one block", "weights": str(tmp_path / "weights.pt")}]
    for n_computed in (1, 2):
        torch.save(network.state_dict(), tmp_path / "weights.pt")
        for _ in range(2):
            sweep_all(tmp_path, table[0], models, (16,))
            assert scored == ["AUC"] * n_computed


def test_a_segmentation_set_that_is_not_understood(tmp_path, source, masks):
    with pytest.raises(InputError, match="segmentation set masks: unknown iteration; known are"):
        sweep_all(tmp_path, source, segmentation_sets={"masks": {**masks, "iteration": 4}})
    with pytest.raises(InputError, match="a name of its own for each model and set"):
        sweep_all(tmp_path, source, segmentation_sets={"toy": masks})
    with pytest.raises(InputError, match="decoders contains 'conv_4d'; expected components"):
        sweep_all(tmp_path, source, segmentation_sets={"masks": {**masks, "decoders": ["conv_4d"]}})
    with pytest.raises(InputError, match="iterations is 0, expected 1 or more"):
        sweep_all(tmp_path, source, segmentation_sets={"masks": {**masks, "iterations": 0}})
    assert not visible(tmp_path / "out")


@pytest.mark.parametrize(
    "changes",
    [
        {"probes": [KNearestNeighbours(n_neighbours=5), *PROBES[1:]]},
        {"probes": PROBES[:2]},
        {"vectors": Vectors(kind="mean_patch")},
        {"bootstrap": Bootstrap(n_resamples=51)},
        {"seed": 1},
    ],
)
def test_a_cell_is_computed_again_where_a_setting_changed(tmp_path, table, scored, changes):
    for given in ({}, {"vectors": Vectors()}, changes, changes):
        sweep_all(tmp_path, table[0], MODELS[:1], (16,), **given)
    assert scored == ["AUC"] * 2


def test_a_sweep_needs_probes(tmp_path, source):
    with pytest.raises(InputError, match=r"probes is \[\]"):
        sweep_all(tmp_path, source, probes=[])
