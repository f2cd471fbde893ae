"""Layers are merged in their order; what nothing reads, or no configuration has, is refused."""

import json

import pytest

from meddino_components.bundle.build import build, merge_layers


def test_later_layers_win_and_settings_of_weights_are_left_to_their_record(tmp_path):
    sources = tmp_path / "bundle" / "sources"
    sources.mkdir(parents=True)
    (tmp_path / "_shared").mkdir()
    (tmp_path / "_shared" / "base.yaml").write_text("epochs: 3\nsize: {rows: 1, columns: 2}\nmodel: {}\n")
    (sources / "own.yaml").write_text(
        'epochs: 4\nsize::rows: 5\nfrom_weights: [epochs, lost]\nrun: ["@epochs", "@size", "@model", "@check"]\n'
    )
    (sources / "layers.yaml").write_text("complete: {train: [_shared/base.yaml, own.yaml]}\noverlays: {}\n")
    (config,) = merge_layers(tmp_path / "bundle").values()
    assert config["size"] == {"rows": 5, "columns": 2}
    assert (config["epochs"], config["published"]) == (None, {"epochs": 4})
    assert config["model"] == {"typed": {"epochs": "@epochs"}, "published": "@published"}
    assert list(config)[:2] == ["epochs", "size"]  # the order of evaluation
    assert config["check"]["configuration"] == "train"


def test_an_overlay_with_a_misspelt_key_is_refused(tmp_path):
    sources = tmp_path / "bundle" / "sources"
    sources.mkdir(parents=True)
    (sources / "main.yaml").write_text('epochs: 3\nrun: ["@epochs", "@check"]\n')
    (sources / "small.yaml").write_text("epoch: 1\n")
    layers = "complete: {train: [main.yaml]}\noverlays: {small: [small.yaml]}\n"
    (sources / "layers.yaml").write_text(layers)
    with pytest.raises(ValueError, match="small: sets epoch, which no complete configuration has"):
        build(tmp_path / "bundle")
    (sources / "layers.yaml").write_text(layers + "overlay_keys: [epoch]\n")
    written = build(tmp_path / "bundle")
    assert [path.name for path in written] == ["train.json", "small.json"]
    assert json.loads(written[0].read_text(encoding="utf-8"))["epochs"] == 3
    assert not list((tmp_path / "bundle" / "configs").glob("*.partial"))


def test_a_missing_layer_or_bundle_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"layers\.yaml not found: give the folder of a bundle"):
        build(tmp_path)
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "layers.yaml").write_text("complete: {train: [lost.yaml]}\noverlays: {}\n")
    with pytest.raises(ValueError, match=r"layers that are not there: .*lost\.yaml"):
        build(tmp_path)


def test_a_key_that_nothing_reads_is_refused_unless_it_is_named_as_unused(tmp_path):
    sources = tmp_path / "bundle" / "sources"
    sources.mkdir(parents=True)
    (sources / "main.yaml").write_text('epochs: 3\nepoch: 4\nrun: ["@epochs", "@check"]\n')
    layers = "complete: {train: [main.yaml]}\noverlays: {}\n"
    (sources / "layers.yaml").write_text(layers)
    with pytest.raises(ValueError, match="train: has epoch, which nothing in it reads"):
        build(tmp_path / "bundle")
    (sources / "layers.yaml").write_text(layers + "unused: {train: [epoch]}\n")
    assert "epoch" not in json.loads(build(tmp_path / "bundle")[0].read_text(encoding="utf-8"))
