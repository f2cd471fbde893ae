"""A configuration finds the files that it was read from."""

import json
from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from meddino_components.bundle.own_files import bundle_folder, read_own_files, resolving_parser
from meddino_components.bundle.verbatim import Verbatim


@pytest.fixture
def bundle(tmp_path):
    (tmp_path / "configs").mkdir()
    contents = {
        "train": {"epochs": 3, "copied": "%epochs", "loss": {"weight": 1}},
        "small": {"epochs": 1, "loss::weight": 2},
    }
    for name, content in contents.items():
        (tmp_path / "configs" / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


def test_files_of_the_bundle_are_merged_as_monai_merges_them(bundle):
    config = {"bundle_root": str(bundle), "epochs": 7}
    assert read_own_files(config, "train", []) == {"epochs": 3, "copied": 3, "loss": {"weight": 1}}
    assert read_own_files(config, "train", ["small"]) == {"epochs": 1, "copied": 1, "loss": {"weight": 2}}


def test_none_where_they_cannot_be_found(bundle):
    assert read_own_files({}, "train", []) is None
    assert read_own_files({"bundle_root": str(bundle)}, "train", ["lost"]) is None


def test_where_the_bundle_lies(bundle, monkeypatch):
    assert bundle_folder({}) is None
    # a typed path is not evaluated
    assert bundle_folder({"bundle_root": Verbatim("$a#b")}) == Path("$a#b")
    monkeypatch.chdir(bundle)
    (bundle / "configs" / "metadata.json").write_text(json.dumps({"name": "mine"}))
    found = bundle_folder({"bundle_root": {"_target_": "meddino_components.bundle.find_bundle_root", "name": "mine"}})
    assert found.resolve() == bundle


def test_the_parser_that_makes_a_component_is_found(tmp_path, monkeypatch):
    (tmp_path / "asking.py").write_text(
        "from meddino_components.bundle.own_files import resolving_parser\n"
        "def asked():\n    return resolving_parser()['epochs']\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    parser = ConfigParser({"epochs": 3, "seen": {"_target_": "asking.asked"}})
    assert parser.get_parsed_content("seen") == 3
    with pytest.raises(RuntimeError, match="works as a component of a MONAI configuration only"):
        resolving_parser()
