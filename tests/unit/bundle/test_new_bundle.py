"""A new bundle appears as a whole, replaces nothing, and says what is left to its author."""

import json
import shutil

import pytest
import yaml
from command_lines import AMOS, BRATS, REPOSITORY
from in_process import command

from meddino_components.bundle.new_bundle import make_bundle, what_to_edit
from meddino_components.bundle.release_checks import REQUIRED_FILES, UNSTATED
from meddino_components.errors import InputError

LIKE_AMOS = {"like": AMOS.name, "dataset_layout": "msd", "modality": "mr", "label_names": ["background", "liver"]}


@pytest.fixture
def bundles(tmp_path, monkeypatch):
    """The bundles of a checkout, which is the working directory."""
    for name in ("_shared", AMOS.name, BRATS.name):
        ignore = shutil.ignore_patterns("models", "output", "eval")
        shutil.copytree(REPOSITORY / "bundles" / name, tmp_path / "bundles" / name, ignore=ignore)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "bundles"


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_everything_that_a_bundle_needs_is_there(bundles):
    root = make_bundle("mine", **LIKE_AMOS)
    assert root.resolve() == bundles / "mine"
    assert [name for name in REQUIRED_FILES if not (root / name).is_file()] == []
    metadata = read(root / "configs" / "metadata.json")
    assert (metadata["name"], metadata["version"], list(metadata["changelog"])) == ("mine", "0.1.0", ["0.1.0"])
    prediction = metadata["network_data_format"]["outputs"]["pred"]
    assert (prediction["num_channels"], prediction["channel_def"]) == (2, {"0": "background", "1": "liver"})
    assert metadata["network_data_format"]["inputs"]["image"]["modality"] == "MR"
    assert not [text for text in metadata["references"] if "AMOS" in text]
    train = read(root / "configs" / "train.json")
    assert (train["bundle_name"], train["dataset_layout"], train["modality"]) == ("mine", "msd", "mr")
    assert train["label_names"] == ["background", "liver"]
    assert "without_data" not in train["layout"]
    # apart from the data set it is the template
    same = ("network_def", "optimizer", "train", "loss", "epochs", "learning_rate", "settings")
    assert [key for key in same if train[key] != read(AMOS / "configs" / "train.json")[key]] == []
    assert AMOS.name not in json.dumps(train)
    assert read(root / "configs" / "laptop.json") == read(AMOS / "configs" / "laptop.json")
    assert (root / "LICENSE").read_bytes() == (AMOS / "LICENSE").read_bytes()


def test_regions_are_those_of_the_template(bundles):
    root = make_bundle("gliomas", like=BRATS.name, dataset_layout="brats")
    train, own = read(root / "configs" / "train.json"), read(BRATS / "configs" / "train.json")
    assert {key for key in train if train[key] != own[key]} == {"bundle_name", "bundle_root"} - {"bundle_root"}
    assert read(root / "configs" / "metadata.json")["task"] == read(BRATS / "configs" / "metadata.json")["task"]


def test_what_its_author_has_to_state_is_marked_and_listed(bundles):
    root = make_bundle("mine", **LIKE_AMOS)
    marked = {path.relative_to(root).as_posix() for path in root.rglob("*.*") if UNSTATED in path.read_text("utf-8")}
    assert marked == {"configs/metadata.json", "docs/README.md", "docs/data_license.txt"}
    said = what_to_edit(root)
    assert all(f"{root}/{name}" in said for name in marked)


def test_layers_can_be_built_again(bundles):
    root = make_bundle("mine", **LIKE_AMOS)
    before = {path: path.read_bytes() for path in (root / "configs").iterdir()}
    assert command("build", root) == 0
    assert {path: path.read_bytes() for path in (root / "configs").iterdir()} == before
    layers = yaml.safe_load((root / "sources" / "layers.yaml").read_text(encoding="utf-8"))
    assert "dataset_training.yaml" not in layers["complete"]["train"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my bundle", "cannot be called 'my bundle': use at most 100 letters, digits .*, such as my_bundle"),
        ("3d", "such as bundle_3d"),
        ("../evil", "such as evil"),
        ("", "such as my_bundle"),
        ("_shared", "such as shared"),
        ("lébèr", "such as l_b_r"),
        ("a" * 101, "use at most 100 letters"),
        (AMOS.name, "is there already, and new_bundle replaces nothing: choose another name"),
    ],
)
def test_names_that_cannot_be(bundles, name, said):
    before = sorted(bundles.iterdir())
    with pytest.raises(InputError, match=said) as error:
        make_bundle(name, **LIKE_AMOS)
    assert "\n" not in str(error.value)
    assert sorted(bundles.iterdir()) == before


@pytest.mark.parametrize("what", ["file", "folder", "dangling link"])
def test_nothing_is_replaced(bundles, what):
    path = bundles / "mine"
    {"file": path.touch, "folder": path.mkdir, "dangling link": lambda: path.symlink_to("lost")}[what]()
    with pytest.raises(InputError, match="is there already"):
        make_bundle("mine", **LIKE_AMOS)
    assert not path.is_dir() or not list(path.iterdir())


@pytest.mark.parametrize(
    ("like", "said"),
    [
        ("meddinov3_seg_amso", "did you mean meddinov3_seg_amos"),
        ("meddinov3_pretrain", "expected a segmentation bundle, one of meddinov3_seg_amos, meddinov3_seg_brats"),
    ],
)
def test_templates_that_are_not_there(bundles, like, said):
    with pytest.raises(InputError, match=said):
        make_bundle("mine", **{**LIKE_AMOS, "like": like})


def test_outside_of_a_checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="_shared not found: run new_bundle in a checkout of this project"):
        make_bundle("mine", **LIKE_AMOS)


def test_a_build_that_fails_leaves_nothing(bundles):
    (bundles / "_shared" / "laptop.yaml").unlink()
    before = sorted(bundles.iterdir())
    with pytest.raises(InputError, match="names layers that are not there"):
        make_bundle("mine", **LIKE_AMOS)
    assert sorted(bundles.iterdir()) == before


def test_a_wrong_command_ends_with_one_line(bundles, capsys):
    assert command("new_bundle", "my bundle") == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: a bundle cannot be called 'my bundle'")
