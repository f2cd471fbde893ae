"""Committed configurations: up to date, every component takes its arguments, every key is read."""

import inspect
import json
import re
from functools import cache
from pydoc import locate

import pytest
from bundle_configs import (
    BUNDLES,
    COMBINED,
    COMPLETE,
    LAYERS,
    OVERLAYS,
    SEGMENTATION,
    components,
    label,
    label_names,
    read,
    read_json,
)
from monai.bundle import ConfigComponent, ConfigParser

from meddino_components.bundle.build import CHECK_KEY, merge_layers
from meddino_components.bundle.references import keys_read
from meddino_components.checkpoints import backbone_of
from meddino_components.export import ExportedNetwork
from meddino_components.inference import network_of_model
from meddino_components.networks import ARCHITECTURE_ARGUMENTS


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_are_what_build_makes_from_the_layers(bundle):
    for name, config in merge_layers(bundle).items():
        text = (bundle / "configs" / f"{name}.json").read_text(encoding="utf-8")
        expected = json.dumps(config, indent=4, ensure_ascii=False) + "\n"
        assert text == expected, f"{name}.json is stale: python -m meddino_components build"


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_no_configuration_is_without_layers(bundle):
    names = {path.stem for path in (bundle / "configs").glob("*.json")} - {"metadata"}
    assert names == {*LAYERS[bundle]["complete"], *LAYERS[bundle]["overlays"]}


def arguments(component):
    return {key: value for key, value in component.items() if not re.fullmatch(r"_.*_", key)}


@cache  # MONAI looks through all its modules, and most configurations have the same components
def found_by(target):
    """What MONAI finds under a name, and its signature; None for a builtin, such as torch.Generator."""
    found = ConfigComponent({"_target_": target}).resolve_module_name()
    found = locate(found) if isinstance(found, str) else found
    try:
        return found, inspect.signature(found) if callable(found) else None
    except ValueError:
        return found, None


@pytest.mark.parametrize("case", COMBINED, ids=label)
def test_every_component_is_found_and_takes_its_arguments(case):
    found = list(components(read(case[0], *case[1])))
    assert len(found) > 3
    for path, component in found:
        target, signature = found_by(component["_target_"])
        assert callable(target), f"{path}: no {component['_target_']}"
        if signature is None:
            assert not arguments(component), path
            continue
        try:
            # some arguments of a function that is handed on come from its caller
            bind = signature.bind_partial if component.get("_mode_") == "callable" else signature.bind
            bind(**arguments(component))
        except TypeError as error:
            pytest.fail(f"{path}: {component['_target_']}: {error}")


@pytest.mark.parametrize("case", COMBINED, ids=label)
def test_the_backbone_takes_its_overrides(case):
    config = read(case[0], *case[1])
    network = config.get("network_def")
    if network is None:
        pytest.skip("makes its networks itself")
    if network["_target_"].endswith(ExportedNetwork.__name__):
        return  # holds its backbone
    if network["_target_"].endswith(network_of_model.__name__):
        return  # builds it by the record of the weights
    # the encoder itself, or a segmenter round it
    backbone = network.get("backbone", network)
    assert backbone["_target_"].endswith(backbone_of.__name__)
    assert arguments(backbone)["weights"].startswith("@")
    # what a user may state of a network that starts from random weights
    assert set(config.get("random_start")) <= set(ARCHITECTURE_ARGUMENTS)


@pytest.mark.parametrize("case", COMPLETE, ids=label)
def test_every_key_is_read_and_every_reference_has_its_key(case):
    config = read_json(*case)
    text = json.dumps({key: value for key, value in config.items() if key != "_desc_"})
    references = set(re.findall(r"@([A-Za-z_]\w*)", text))
    assert references <= set(config)
    assert set(config) - keys_read(config) == {"extra_keys"}  # which the check reads by itself


@pytest.mark.parametrize("case", COMBINED, ids=label)
def test_nested_references_have_their_keys(case):
    config = read(case[0], *case[1])
    for reference in set(re.findall(r"@(\w+(?:::\w+)+)", json.dumps(config))):
        node = config
        for part in reference.split("::"):
            assert part in node, reference
            node = node[part]


@pytest.mark.parametrize("case", OVERLAYS, ids=label)
def test_overlays_set_keys_that_a_complete_configuration_has(case):
    bundle, name = case
    complete = [ConfigParser(read_json(bundle, other)) for other in LAYERS[bundle]["complete"]]
    for key in set(read_json(bundle, name)) - set(LAYERS[bundle]["overlay_keys"]):
        # a nested key is new in its parent, which is there
        assert any((key.rpartition("::")[0] or key) in parser for parser in complete), key


@pytest.mark.parametrize("case", COMPLETE, ids=label)
def test_complete_ones_check_themselves(case):
    config = read_json(*case)
    first = config.get("network_def") or config["cells"]
    required = first["_requires_"]
    assert (required if isinstance(required, str) else required[0]) == f"@{CHECK_KEY}"
    assert config[CHECK_KEY] == {
        "_target_": "meddino_components.bundle.check_overrides",
        "configuration": case[1],
        "overlays": {},
    }


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_no_path_of_a_machine(bundle):
    for path in (*bundle.glob("configs/*"), *bundle.glob("sources/*"), *bundle.parent.glob("_shared/**/*.yaml")):
        text = path.read_text(encoding="utf-8")
        found = re.findall(r"(?:/(?:home|work|root|mnt|tmp|Users|workspace|data)/|[A-Za-z]:\\\\|file://)\S*", text)
        assert found == [], path


@pytest.mark.parametrize("bundle", SEGMENTATION, ids=lambda bundle: bundle.name)
@pytest.mark.parametrize("name", ["inference", "evaluate"])
def test_settings_of_a_trained_network_are_left_to_its_record(bundle, name):
    """What was published stands apart, for weights without a record, and is what training has."""
    config, train = read_json(bundle, name), read_json(bundle, "train")
    assert {"pixdim", "roi_size", "fingerprint", "backbone", "channel_names"} < set(config["published"])
    for key, value in config["published"].items():
        assert config[key] is None, key
        assert config["model"]["typed"][key] == f"@{key}"
        # a data set names its labels itself
        assert value == (list(label_names(bundle).values()) if key == "label_names" else train[key]), key
