"""The frozen-encoder benchmark by its commands: known answers, cached embeddings, pictures that cannot be read."""

import json

import pytest
from command_lines import BENCHMARK, kill_after_cells, run_bundle
from in_process import run_here
from labelled_pictures import SMALL, medmnist, pictures
from PIL import Image
from visible_files import visible

from meddino_components.data import label_names, read_datalist
from meddino_components.embeddings import encoder_pass
from meddino_components.errors import InputError


def classify(dataset, output, **changes):
    settings = {"dataset_dir": str(dataset), "output_dir": str(output), **SMALL, **changes}
    run_here(["classify", "laptop"], settings, bundle=BENCHMARK)
    return json.loads((output / "classification.json").read_text(encoding="utf-8"))


def rows_of(result):
    return {(row["encoder"], row["probe"]): row for row in result["rows"]}


def test_planted_classes_are_found_and_everything_is_written(tmp_path, monkeypatch):
    found = classify(medmnist(tmp_path / "set.npz", planted=True), tmp_path / "out")
    rows = rows_of(found)
    names = ["encoder", "random weights", "raw pixels"]
    assert list(rows) == [(name, probe) for name in names for probe in ("knn", "linear", "logistic")]
    for probe in ("knn", "linear", "logistic"):
        assert rows["raw pixels", probe]["scores"]["AUC"] == {"value": 1, "low": 1, "high": 1}
        assert set(rows["encoder", probe]["gain_over"]) == {"random weights", "raw pixels"}
    assert 1 > rows["encoder", "logistic"]["scores"]["AUC"]["value"] > 0.8
    assert found["samples"] == {"train": 60, "val": 20, "test": 60}
    assert found["unreadable"] == {"train": 0, "val": 0, "test": 0}
    assert set(visible(tmp_path / "out")) == {
        "embeddings",
        *(f"classification.{suffix}" for suffix in ("json", "csv", "md", "tex", "png")),
    }

    # the probes again: nothing is encoded
    def encode(*args, **kwargs):
        raise AssertionError("encoded again")

    monkeypatch.setattr(encoder_pass, "_encode", encode)
    assert classify(tmp_path / "set.npz", tmp_path / "out", **{"probes::0::n_neighbours": 20}) == found
    few = rows_of(classify(tmp_path / "set.npz", tmp_path / "out", **{"probes::0::n_neighbours": 1}))
    assert few["encoder", "knn"] != rows["encoder", "knn"]
    assert few["encoder", "linear"] == rows["encoder", "linear"]


def test_where_nothing_is_planted_nothing_is_found(tmp_path):
    rows = rows_of(classify(medmnist(tmp_path / "set.npz", planted=False), tmp_path / "out"))
    for name in ("encoder", "random weights", "raw pixels"):
        auc = rows[name, "logistic"]["scores"]["AUC"]
        assert auc["low"] < 0.5 < auc["high"]


def folder_of_pictures(root, n=60):
    """A table with a patient of two pictures a row pair, and its pictures."""
    images, labels = pictures(n, 4, planted=True)
    (root / "files").mkdir(parents=True)
    lines = ["file,finding,person"]
    for k, (image, label) in enumerate(zip(images, labels[:, 0], strict=True)):
        Image.fromarray(image).save(root / "files" / f"{k:03d}.png")
        lines.append(f"files/{k:03d}.png,{'ab'[label]},p{k // 2}")
    (root / "list.csv").write_text("\n".join(lines) + "\n")
    columns = {"path_column": "file", "class_column": "finding", "patient_column": "person"}
    return {"table": "list.csv", **columns}


def test_a_corrupt_picture_is_named_counted_and_left_out(tmp_path):
    options = folder_of_pictures(tmp_path / "set")
    damaged = tmp_path / "set" / "files" / "030.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    found = classify(tmp_path / "set", tmp_path / "out", layout="table", layout_options=options)
    assert sum(found["unreadable"].values()) == 1
    ((sample, reason),) = found["unreadable_samples"].items()
    assert "030" in sample
    assert "030.png" in reason
    assert sum(found["samples"].values()) == 59
    assert sum(found["positives"].values()) == found["samples"]["test"]
    assert "1 samples unreadable and left out" in (tmp_path / "out" / "classification.md").read_text(encoding="utf-8")


def input_error(error):
    """Ours, in the chain that MONAI wraps it in."""
    while not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    return str(error)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_column": "diagnosis"}, "no column 'diagnosis'. The columns are 'file', 'finding', 'person'"),
        ({"split_column": "person"}, "p0"),
        ({"colum": 3}, "layout 'table' has no option colum"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path, changes, message):
    options = folder_of_pictures(tmp_path / "set", n=8) | changes
    with pytest.raises(RuntimeError) as error:
        classify(tmp_path / "set", tmp_path / "out", layout="table", layout_options=options)
    assert message in input_error(error.value)
    assert not (tmp_path / "out").exists()


def test_patches_of_other_patients(phantoms, tmp_path):
    cases = read_datalist(phantoms, "amos", section="training")
    names = list(label_names(phantoms, "amos").values())
    settings = {
        "train_data": cases[:2],
        "test_data": cases[2:4],
        "label_names": names,
        "size_px": 128,
        "unit_slices": 2,
        "n_pictures": 1,
        "output_dir": str(tmp_path / "out"),
    }
    run_here(["patches", "laptop"], settings, bundle=BENCHMARK)
    found = json.loads((tmp_path / "out" / "patches.json").read_text(encoding="utf-8"))
    assert found["within_one_patient"] is False
    assert {row["encoder"] for row in found["rows"]} == {"encoder", "random weights", "raw pixels"}
    with pytest.raises(RuntimeError) as error:
        run_here(["patches", "laptop"], {**settings, "test_data": [], "slab_gap": 1}, bundle=BENCHMARK)
    assert "set allow_same_patient to true" in input_error(error.value)


@pytest.mark.slow
def test_the_laptops_sweep_needs_no_weights(tmp_path):
    source = {"root": str(medmnist(tmp_path / "set.npz", planted=True)), "layout": "medmnist"}
    settings = {key: SMALL[key] for key in ("batch_size", "num_workers", "progress", "n_resamples", "amp")}
    settings |= {"image_sets": {"toy": source}, "sizes_px": [32], "output_dir": str(tmp_path / "out")}
    run_here(["sweep", "laptop"], settings, bundle=BENCHMARK)
    # but for the hash at the end of a folder's name
    cells = {path.parent.name.rsplit("__", 1)[0] for path in (tmp_path / "out" / "cells").glob("*/cell.json")}
    assert cells == {"toy__vit_mini__32", "toy__vit_tiny__32"}


@pytest.mark.slow
def test_a_sweep_killed_on_its_way_computes_no_finished_cell_twice(tmp_path, start):
    medmnist(tmp_path / "set.npz", planted=True)
    models = [
        {"name": f"{depth} blocks", "backbone": "vit_tiny", "random_start": {"depth": depth}, "weights": "random"}
        for depth in (1, 2, 3)
    ]
    settings = {
        "models": models,
        "sizes_px": [32, 48, 64],
        "image_sets": {"toy": {"root": str(tmp_path / "set.npz"), "layout": "medmnist"}},
        "output_dir": str(tmp_path / "out"),
        **{key: SMALL[key] for key in ("batch_size", "num_workers", "progress", "n_resamples", "amp")},
    }
    cells = tmp_path / "out" / "cells"
    process = start(["sweep"], settings, bundle=BENCHMARK)
    finished = kill_after_cells(process, cells, 4)
    assert 4 <= len(finished) < 9
    run_bundle(["sweep"], settings, bundle=BENCHMARK)
    assert len(list(cells.glob("*/cell.json"))) == 9
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert len((tmp_path / "out" / "sweep.md").read_text(encoding="utf-8").splitlines()) == 4 + 9
    assert (tmp_path / "out" / "sweep_toy.png").stat().st_size > 20_000
