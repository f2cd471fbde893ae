"""Files that MONAI evaluates are read as data, and each breach is a line with the file's name."""

import json

import pytest

from meddino_components.bundle.configurations import evaluated_problems, path_problems, read_object, shown


def problems(name, content):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return evaluated_problems(name, data)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"a": {"_target_": "os.system"}}, "the component 'os.system' is not among those that a bundle may use"),
        ({"a": {"_target_": 3}}, "the component 3 is not among those that a bundle may use"),
        ({"a": {"_target_": "Compose", "_mode_": "debug"}}, "the mode 'debug' is not one of callable, default"),
        ({"a": {"_debug_": 1}}, "the key '_debug_' is none that a bundle may use"),
        ({"a::b::_target_": "os.system"}, "the component 'os.system' is not among those that a bundle may use"),
        ({"a": ["$import os"]}, "the expression '$import os' is no Python expression"),
        ({"a": "%other.json::b"}, "'%other.json::b' copies from another file or a relative place: only %key of the "),
        ({"a": "@##b"}, "'@##b' is a relative reference: write the whole name"),
        ({"model_sha256": "a" * 64}, "of an exported network only its user states the hash"),
    ],
)
def test_a_configuration(content, problem):
    (found,) = problems("configs/train.json", content)
    assert found.startswith("configs/train.json: ")
    assert problem in found


def test_what_a_configuration_may_hold():
    content = {
        "epochs": 3,
        "loss": {"_target_": "DiceCELoss", "_desc_": "text", "_disabled_": "$not @epochs"},
        "copy": "%loss",
        "model_sha256": None,
        "network_def": {"_target_": "meddino_components.export.ExportedNetwork", "sha256": "@model_sha256"},
    }
    assert problems("configs/train.json", content) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"name": "../x", "version": "1.0.0"}, "its name is '../x', and becomes the name of a file"),
        ({"name": "x", "version": "1"}, "its version is '1', and becomes the name of a file"),
        ({"name": "x", "version": "1.0.0", "task": "$1"}, "'$1' would be evaluated: metadata hold plain text"),
        ({"name": "x", "version": "1.0.0", "a": {"spatial_shape": ["**"]}}, "spatial_shape has the side '**'"),
        ({"name": "x", "version": "1.0.0", "_meta_": 1}, "the key '_meta_' has no place in metadata"),
    ],
)
def test_metadata(content, problem):
    found = problems("configs/metadata.json", content)
    assert found
    assert all(problem in line for line in found)


def test_logging_and_large_files():
    (found,) = problems("configs/logging.conf", b"[handler_a]\nclass=FileHandler\n")
    assert found == "configs/logging.conf: class='FileHandler' is none of the settings that a bundle may have"
    entry = "{path: models/model.pt, url: 'http://x.org/m.pt', hash_val: " + "a" * 64 + ", hash_type: sha256}"
    (found,) = problems("large_files.yml", f"large_files: [{entry}]".encode())
    assert found.startswith("large_files.yml: url is 'http://x.org/m.pt': expected weights below models/")


@pytest.mark.parametrize("data", [b"[1]", b"{", b'{"a": 1, "a": 2}', b"\xff\xfe"])
def test_what_is_no_plain_object_is_refused(data):
    with pytest.raises(ValueError):
        read_object(data)
    assert len(evaluated_problems("configs/a.json", data)) == 1
    assert path_problems("configs/a.json", data) == []


def test_paths_outside_the_bundle():
    content = {"a": "/home/me/x", "b": "$@bundle_root + '/models'", "c": "../up", "_desc_": "/not/read"}
    assert path_problems("configs/a.json", json.dumps(content).encode()) == [
        "configs/a.json: '/home/me/x' names a path of one machine",
        "configs/a.json: '../up' names a folder above",
    ]


def test_a_long_value_is_cut():
    assert shown("a" * 500) == "'" + "a" * 119 + "...'"
