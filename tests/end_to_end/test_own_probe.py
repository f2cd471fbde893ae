"""A probe of one's own: the file and the line that CONTRIBUTING.md shows, without a change in this package."""

import json
import sys

import pytest
from command_lines import BENCHMARK, REPOSITORY, run_preloaded
from labelled_pictures import SMALL, medmnist
from shown_files import shown_files


@pytest.fixture
def shown(tmp_path):
    """The example's file and line of YAML in a folder of the user's."""
    code, line = shown_files(REPOSITORY / "CONTRIBUTING.md")["A probe"]
    assert (code.path, line.path) == ("nearest_centroid.py", "mine.yaml")
    assert line.n_lines == 1
    code.write(tmp_path)
    line.write(tmp_path)
    return tmp_path


def classify(folder, configs, **settings):
    settings = {"dataset_dir": folder / "set.npz", "output_dir": folder / "out", **SMALL, **settings}
    files = [str(BENCHMARK / "configs" / f"{name}.json") for name in ("classify", "laptop")] + configs
    options = [text for key, value in settings.items() for text in (f"--{key}", str(value))]
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(files), *options]
    done = run_preloaded(*command, cwd=folder)
    assert done.returncode == 0, done.stderr
    rows = json.loads((folder / "out" / "classification.json").read_text(encoding="utf-8"))["rows"]
    return {(row["encoder"], row["probe"]): row["scores"]["AUC"]["value"] for row in rows}


def test_the_documented_probe_has_its_rows(shown):
    medmnist(shown / "set.npz", planted=True)
    auc = classify(shown, [str(shown / "mine.yaml")])
    names, probes = ("encoder", "random weights", "raw pixels"), ("knn", "linear", "logistic", "centroid")
    assert list(auc) == [(name, probe) for name in names for probe in probes]
    assert auc["raw pixels", "centroid"] == 1
    assert auc["encoder", "centroid"] > 0.7
    table = (shown / "out" / "classification.md").read_text(encoding="utf-8")
    assert table.count("| centroid |") == 3
    # on the command line the list is replaced
    typed = "[{'_target_': 'nearest_centroid.NearestCentroid'}]"
    assert {probe for _, probe in classify(shown, [], probes=typed)} == {"centroid"}
