"""Where a bundle and its configurations are found."""

import json

import pytest
from command_lines import AMOS

from meddino_components.bundle.root import config_files, find_bundle_root
from meddino_components.errors import InputError


def bundle_folder(folder, name):
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "metadata.json").write_text(json.dumps({"name": name}))
    return folder


def test_bundle_root_is_found_on_the_path_then_in_the_working_directory(tmp_path, monkeypatch):
    mine, other = (bundle_folder(tmp_path / name, name) for name in ("mine", "other"))
    monkeypatch.syspath_prepend(str(mine))
    monkeypatch.syspath_prepend(str(other))
    assert find_bundle_root("mine") == str(mine)
    assert find_bundle_root("other") == str(other)
    third = bundle_folder(tmp_path / "third", "third")
    monkeypatch.chdir(tmp_path)
    assert find_bundle_root("third") == "."
    monkeypatch.chdir(third)
    assert find_bundle_root("third") == str(third)


def test_configurations_are_files_by_name_in_the_order_asked_for():
    expected = [str(AMOS / "configs" / f"{name}.json") for name in ("train", "laptop")]
    assert config_files(AMOS, "train", "laptop") == expected
    with pytest.raises(InputError, match=r"has no configuration 'labtop'\. Did you mean laptop\? It has evaluate, "):
        config_files(AMOS, "train", "labtop")


def test_a_folder_that_is_no_bundles_is_named(tmp_path):
    with pytest.raises(InputError, match=r"train\.json not found: .* is no bundle's folder, give one by --bundle"):
        config_files(tmp_path, "train")
