"""Keys that nothing reads are refused with the one that was meant."""

import json

import pytest
from bundle_configs import BUNDLES, COMBINED, label, read, read_json
from monai.bundle import ConfigParser

import meddino_components
from meddino_components.bundle import check_overrides, find_bundle_root
from meddino_components.bundle.checks import check_components_version, check_keys, list_keys
from meddino_components.errors import InputError

CONFIG = {
    "epochs": 3,
    "progress": True,
    "loss": {"_target_": "package.Loss", "weight": 0.5, "inner": {"_target_": "package.Inner", "size": 1}},
    "train": {"trainer": {"_target_": "Trainer", "max_epochs": "@epochs"}},
    "handlers": [{"_target_": "Handler", "interval": 1}],
}
KNOWN = list_keys(CONFIG)


def changed(changes):
    parser = ConfigParser(json.loads(json.dumps(CONFIG)))
    parser.update(changes)
    return parser.get()


def test_lists_nested_keys_and_the_classes_of_components():
    assert {"epochs", "loss::weight", "loss::inner::size", "train::trainer::max_epochs", "handlers"} <= set(KNOWN)
    assert "loss::_target_=package.Loss" in KNOWN


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"epochs": 5, "loss::weight": 1.0},
        {"loss": {"_target_": "other.Loss", "anything": 1}},
        {"loss::inner": {"_target_": "other.Inner", "anything": {"deep": 1}}},
        {"loss::_desc_": "text", "loss::_disabled_": True},
        {"device": "cpu", "bundle_root": ".", "run": "@x", "initialize": [], "network": None},
        {"_meta_": {"version": "1", "anything": {"deep": "true"}}},
        {"handlers": [{"_target_": "Handler", "anything": 1}]},
    ],
)
def test_passes(changes):
    check_keys(changed(changes), KNOWN)


@pytest.mark.parametrize(
    ("changes", "key", "meant"),
    [
        ({"epoch": 5}, "epoch", "epochs"),
        ({"max_epochs": 5}, "max_epochs", "epochs"),
        ({"loss::wieght": 1.0}, "loss::wieght", "loss::weight"),
        ({"loss::inner::sizes": 1.0}, "loss::inner::sizes", "loss::inner::size"),
        ({"train::trainer::max_epoch": 5}, "train::trainer::max_epoch", "train::trainer::max_epochs"),
    ],
)
def test_refuses_and_suggests(changes, key, meant):
    with pytest.raises(InputError, match=f"no key '{key}': did you mean '{meant}'\\?"):
        check_keys(changed(changes), KNOWN)
    check_keys(changed(changes), KNOWN, extra_keys=[key])


def test_names_all_unknown_keys_at_once():
    with pytest.raises(InputError, match=r"'epoch'.*'progres'"):
        check_keys(changed({"epoch": 5, "progres": 1}), KNOWN)


def test_a_replaced_component_admits_no_other_key():
    with pytest.raises(InputError, match="no key 'epoch'"):
        check_keys(changed({"loss": {"_target_": "other.Loss", "anything": 1}, "epoch": 1}), KNOWN)


@pytest.mark.parametrize("text", ["true", "false", "False", "TRUE"])
def test_a_truth_value_as_text_is_refused(text):
    with pytest.raises(InputError, match=f"'progress' is the text '{text}': write {text.capitalize()}, with a capital"):
        check_keys(changed({"progress": text}), KNOWN)


def test_checks_the_configuration_it_stands_in():
    check = {"_target_": "meddino_components.bundle.check_overrides", "known_keys": [*KNOWN, *CHECK_KEYS]}
    parser = ConfigParser({"epochs": 3, "check": check, "unknown_one": 1})
    with pytest.raises(RuntimeError) as error:
        parser.get_parsed_content("check")
    assert "no key 'unknown_one'" in str(error.value.__cause__)
    del parser.get()["unknown_one"]
    assert ConfigParser(parser.get()).get_parsed_content("check") is None
    with pytest.raises(RuntimeError, match="as a component of a MONAI configuration only"):
        check_overrides([])


CHECK_KEYS = ["check", "check::_target_=meddino_components.bundle.check_overrides", "check::known_keys"]


@pytest.mark.parametrize("case", COMBINED, ids=label)
def test_the_bundles_own_overlays_pass(case):
    bundle, (name, *overlays) = case
    known = read_json(bundle, name)["check"]["known_keys"]
    check_keys(read(bundle, name, *overlays), known)


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


def test_components_of_another_version_are_refused_by_name(tmp_path, monkeypatch):
    root = bundle_folder(tmp_path / "mine", "mine")
    check_components_version(root)
    metadata = {"name": "mine", "version": "2.0.0", "meddino_components_version": meddino_components.__version__}
    (root / "configs" / "metadata.json").write_text(json.dumps(metadata))
    check_components_version(root)
    # monai.bundle.load gives "." from anywhere
    check_components_version(tmp_path)
    monkeypatch.setattr("meddino_components.bundle.checks.__version__", "9.9.9")
    with pytest.raises(InputError, match=r"mine 2\.0\.0 .* needs meddino_components .*, but 9\.9\.9 is loaded from"):
        check_components_version(root)


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_the_bundles_name_the_components_they_are_committed_with(bundle):
    assert read_json(bundle, "metadata")["meddino_components_version"] == meddino_components.__version__
