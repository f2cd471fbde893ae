"""Slides and volumes as bags by the commands: attention beside the other probes, maps of it, slides that are torn."""

import csv
import json

import numpy as np
import pytest
from command_lines import BENCHMARK, run_bundle
from in_process import cause, run_here
from PIL import Image
from slide_writing import DARK, section, write_slide, write_tiles

TILE = 32
SMALL = {
    "size_px": TILE,
    "batch_size": 32,
    "num_workers": 0,
    "progress": False,
    "n_resamples": 100,
    "amp": False,
    "random_start::depth": 2,
    "probes::3::epochs": 10,
    "probes::3::learning_rate": 2e-3,
}
OPTIONS = {
    "table": "slides.csv",
    "path_column": "slide",
    "class_column": "finding",
    "patient_column": "patient",
    "split_column": "split",
    "tile_px": TILE,
    "seed": 0,
}
SPLITS = {"train": 16, "val": 6, "test": 10}


def pale_section(seed, tumour):
    """Four rows of six tiles, tissue on three rows; one tile in it is dark where there is a tumour."""
    rng = np.random.default_rng(seed)
    pixels = section((4 * TILE, 6 * TILE), [(0, 0, 3 * TILE, 5 * TILE)], seed=seed)
    place = (int(rng.integers(3)) * TILE, int(rng.integers(5)) * TILE)
    if tumour:
        stained = section((TILE, TILE), [(0, 0, TILE, TILE)], seed=seed, colours=DARK)
        pixels[place[0] : place[0] + TILE, place[1] : place[1] + TILE] = stained
    return pixels, place[::-1]


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    """Whole-slide files, every fourth a folder of tiles; where the tumour is by slide."""
    root = tmp_path_factory.mktemp("slides")
    lines, places = ["slide,finding,patient,split"], {}
    for number, split in enumerate(split for split, n in SPLITS.items() for _ in range(n)):
        tumour = number % 2
        pixels, place = pale_section(number, tumour)
        name = f"s{number:02d}" if number % 4 > 1 else f"s{number:02d}.tif"
        if name.endswith(".tif"):
            write_slide(root / name, pixels, factors=(1, 2))
        else:
            corners = [(y, x) for y in range(0, 3 * TILE, TILE) for x in range(0, 5 * TILE, TILE)]
            tiles = {f"{y}_{x}.png": pixels[y : y + TILE, x : x + TILE] for y, x in corners}
            write_tiles(root / name, tiles)
        lines.append(f"{name},{'tumour' if tumour else 'normal'},p{number},{split}")
        if tumour:
            places[name] = place
    (root / "slides.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root, places


def settings(root, output, **changes):
    options = {**OPTIONS, **changes.pop("layout_options", {})}
    return {"dataset_dir": str(root), "output_dir": str(output), "layout_options": options, **SMALL, **changes}


def auc_of(output):
    rows = json.loads((output / "classification.json").read_text(encoding="utf-8"))["rows"]
    return {(row["encoder"], row["probe"]): row["scores"]["AUC"] for row in rows}


@pytest.mark.slow
def test_attention_stands_beside_the_other_probes(slides, tmp_path):
    run_here(["slides", "laptop"], settings(slides[0], tmp_path, attention_maps=3), bundle=BENCHMARK)
    auc = auc_of(tmp_path)
    names, probes = ("encoder", "random weights", "raw pixels"), ("knn", "linear", "logistic", "attention")
    assert list(auc) == [(name, probe) for name in names for probe in probes]
    assert auc["raw pixels", "attention"]["value"] > 0.95
    assert auc["encoder", "attention"]["value"] > 0.8
    heads = next(csv.reader((tmp_path / "classification.csv").open(encoding="utf-8")))
    assert heads[:4] == ["encoder", "control", "probe", "AUC"]
    # of the encoder alone, not of its controls: the first, one in the middle, the last
    maps = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("attention/**/*.png"))
    assert maps == [f"attention/encoder/{name}.png" for name in ("0000_s22", "0004_s26", "0009_s31")]
    for name in maps:
        with Image.open(tmp_path / name) as picture:
            assert picture.width == 1200
            assert np.asarray(picture.convert("L")).std() > 20


def test_torn_and_blank_slides_are_left_out_for_all(slides, tmp_path):
    root = tmp_path / "slides"
    root.mkdir()
    for path in slides[0].iterdir():
        (root / path.name).symlink_to(path)
    for name, content in (("s13.tif", b"II*\0 and no more"), ("s24.tif", None)):
        (root / name).unlink()
        if content is None:
            write_slide(root / name, section((4 * TILE, 6 * TILE), []))
        else:
            (root / name).write_bytes(content)
    run_here(["slides", "laptop"], settings(root, tmp_path / "out", attention_maps=0), bundle=BENCHMARK)
    found = json.loads((tmp_path / "out" / "classification.json").read_text(encoding="utf-8"))
    assert found["samples"] == {"train": 15, "val": 6, "test": 9}
    assert set(found["unreadable_samples"]) == {"s13.tif", "s24.tif"}
    assert "no tile shows tissue" in found["unreadable_samples"]["s24.tif"]
    assert not (tmp_path / "out" / "attention").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_column": "grade"}, "no column 'grade'. The columns are 'slide', 'finding', 'patient', 'split'"),
        ({"patient_column": "finding"}, "2 patients in two splits"),
    ],
)
def test_tables_that_do_not_fit(slides, tmp_path, options, message):
    with pytest.raises(RuntimeError) as error:
        run_here(["slides", "laptop"], settings(slides[0], tmp_path / "out", layout_options=options), bundle=BENCHMARK)
    assert message in str(cause(error.value))


def test_volumes_have_attention_and_pictures_have_none(tmp_path):
    """Of volumes one slice says the class; attention is left out where it is not among the probes."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in SPLITS.items():
        labels = np.arange(n) % 2
        volumes = rng.integers(60, 100, (n, 8, 28, 28))
        for volume, label in zip(volumes, labels, strict=True):
            volume[rng.integers(8), :14] += 120 * label
        arrays |= {f"{split}_images": volumes.astype(np.uint8), f"{split}_labels": labels[:, None].astype(np.uint8)}
    np.savez(tmp_path / "set3d.npz", **arrays)
    common = {"dataset_dir": str(tmp_path / "set3d.npz"), **SMALL}
    run_here(["classify", "laptop"], {**common, "output_dir": str(tmp_path / "a")}, bundle=BENCHMARK)
    assert auc_of(tmp_path / "a")["raw pixels", "attention"]["value"] > 0.9
    changes = {"output_dir": str(tmp_path / "b"), "cache_dir": str(tmp_path / "a" / "embeddings")}
    without_attention = {key: value for key, value in common.items() if not key.startswith("probes::")}
    probes = [
        {"_target_": "meddino_components.probing.KNearestNeighbours"},
        {"_target_": "meddino_components.probing.LinearLayer"},
        {"_target_": "meddino_components.probing.LogisticRegression", "l2": [1.0, 10.0, 100.0, 1000.0]},
    ]
    run_here(["classify", "laptop"], {**without_attention, **changes, "probes": probes}, bundle=BENCHMARK)
    without = auc_of(tmp_path / "b")
    assert {probe for _, probe in without} == {"knn", "linear", "logistic"}
    assert without == {key: value for key, value in auc_of(tmp_path / "a").items() if key[1] != "attention"}


@pytest.mark.slow
def test_the_command_itself_with_workers(slides, tmp_path):
    run_bundle(["slides", "laptop"], settings(slides[0], tmp_path, num_workers=2), bundle=BENCHMARK)
    assert auc_of(tmp_path)["raw pixels", "attention"]["value"] > 0.95
