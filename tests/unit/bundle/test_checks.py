"""Keys that nothing reads, values of another kind and components of another version are refused."""

import json

import pytest
from monai.bundle import ConfigParser

import meddino_components
from meddino_components.bundle.checks import check_components_version, check_keys, check_overrides
from meddino_components.errors import InputError

CONFIG = {
    "epochs": 3,
    "progress": True,
    "loss": {"_target_": "package.Loss", "weight": 0.5, "inner": {"_target_": "package.Inner", "size": 1}},
    "train": {"trainer": {"_target_": "Trainer", "max_epochs": "@epochs"}},
    "handlers": [{"_target_": "Handler", "interval": 1}],
    "run": ["$@train::trainer.run(@loss, @handlers)", "$@progress"],
}
# set by an overlay for other configurations
SHARED = {"models": ["small"], "run": CONFIG["run"]}


def changed(changes):
    parser = ConfigParser(json.loads(json.dumps(CONFIG)))
    parser.update(changes)
    return parser.get()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"epochs": 5, "loss::weight": 1.0},
        {"loss": {"_target_": "other.Loss", "anything": 1}},
        {"loss::inner": {"_target_": "other.Inner", "anything": {"deep": 1}}},
        {"loss::_desc_": "text", "loss::_disabled_": True},
        {"device": "cpu", "bundle_root": ".", "initialize": [], "network": None},
        {"_meta_": {"version": "1", "anything": {"deep": "true"}}},
        {"handlers": [{"_target_": "Handler", "anything": 1}]},
        {"extra_weight": 2, "loss::weight": "@extra_weight"},
    ],
)
def test_passes(changes):
    check_keys(changed(changes), CONFIG)


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
        check_keys(changed(changes), CONFIG)
    check_keys(changed(changes), CONFIG, extra_keys=[key])


def test_a_random_start_takes_each_argument_of_a_backbone():
    config = {"random_start": {"qkv_bias": False}, "run": "$@random_start"}
    check_keys({**config, "random_start": {"qkv_bias": True, "layerscale_init": 1.0, "depth": 2}}, config)
    with pytest.raises(InputError, match="no key 'random_start::layer_scale_init': did you mean 'random_start::layers"):
        check_keys({**config, "random_start": {"layer_scale_init": 1.0}}, config)
    with pytest.raises(InputError, match="'random_start::mask_k_bias' is the text 'false': write False"):
        check_keys({**config, "random_start": {"mask_k_bias": "false"}}, config)


def test_names_all_unknown_keys_at_once():
    with pytest.raises(InputError, match=r"'epoch'.*'progres'"):
        check_keys(changed({"epoch": 5, "progres": 1}), CONFIG)


def test_a_replaced_component_admits_no_other_key():
    with pytest.raises(InputError, match="no key 'epoch'"):
        check_keys(changed({"loss": {"_target_": "other.Loss", "anything": 1}, "epoch": 1}), CONFIG)


@pytest.mark.parametrize("text", ["true", "false", "False", "TRUE"])
def test_a_truth_value_as_text_is_refused(text):
    with pytest.raises(InputError, match=f"'progress' is the text '{text}': write {text.capitalize()}, with a capital"):
        check_keys(changed({"progress": text}), CONFIG)


def test_a_key_that_only_an_overlay_sets_stays_as_it_is_but_takes_no_other_value():
    own = {**CONFIG, **SHARED}
    check_keys({**changed({}), **SHARED}, own)
    with pytest.raises(InputError, match="reads no key 'models'"):
        check_keys({**changed({}), **SHARED, "models": ["mine"]}, own)


def test_a_key_that_a_replaced_component_no_longer_reads_is_refused():
    trainer = {"_target_": "Other"}
    check_keys(changed({"train::trainer": trainer}), CONFIG)
    with pytest.raises(InputError, match="reads no key 'epochs'"):
        check_keys(changed({"train::trainer": trainer, "epochs": 5}), CONFIG)


def test_without_the_bundles_files_references_alone_decide():
    check_keys(changed({"epochs": 5, "loss::wieght": 1.0}), None)
    with pytest.raises(InputError, match="reads no key 'epoch': did you mean 'epochs'"):
        check_keys(changed({"epoch": 5}), None)
    check_keys({**changed({}), **SHARED}, None, complete=False)


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("epochs", "many", "'epochs' is the text 'many'; expected a number, such as 3"),
        ("progress", "no", "True or False"),
    ],
)
def test_a_text_for_a_number_or_a_truth_value_is_refused(key, text, message):
    check_keys(changed({key: "$1 + 1"}), CONFIG)
    with pytest.raises(InputError, match=message):
        check_keys(changed({key: text}), CONFIG)


def checked(folder, **changes):
    """The check of a bundle with a configuration and an overlay, as `ConfigParser` resolves it."""
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    check = {"_target_": "meddino_components.bundle.check_overrides", "configuration": "train", "overlays": {}}
    complete = {"bundle_root": str(folder), **CONFIG, "check": check}
    (folder / "configs" / "train.json").write_text(json.dumps(complete))
    (folder / "configs" / "small.json").write_text(json.dumps({"models": ["small"], "check::overlays::small": True}))
    parser = ConfigParser()
    parser.read_config([str(folder / "configs" / f"{name}.json") for name in ("train", "small")])
    parser.update(changes)
    return parser.get_parsed_content("check")


def test_checks_the_configuration_it_stands_in_against_the_bundles_files(tmp_path):
    assert checked(tmp_path / "mine") is None
    for changes in ({"unknown_one": 1}, {"models": ["mine"]}, {"loss::wieght": 1}):
        with pytest.raises(RuntimeError) as error:
            checked(tmp_path / "mine", **changes)
        assert "reads no key" in str(error.value.__cause__)
    with pytest.raises(RuntimeError, match="as a component of a MONAI configuration only"):
        check_overrides("train", {})


def test_components_of_another_version_are_refused_by_name(tmp_path, monkeypatch):
    root = tmp_path / "mine"
    (root / "configs").mkdir(parents=True)
    (root / "configs" / "metadata.json").write_text(json.dumps({"name": "mine"}))
    check_components_version(root)
    metadata = {"name": "mine", "version": "2.0.0", "meddino_components_version": meddino_components.__version__}
    (root / "configs" / "metadata.json").write_text(json.dumps(metadata))
    check_components_version(root)
    # monai.bundle.load gives "." from anywhere
    check_components_version(tmp_path)
    monkeypatch.setattr("meddino_components.bundle.checks.__version__", "9.9.9")
    with pytest.raises(InputError, match=r"mine 2\.0\.0 .* needs meddino_components .*, but 9\.9\.9 is loaded from"):
        check_components_version(root)
