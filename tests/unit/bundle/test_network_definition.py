"""How a configuration says that its network is built."""

import torch
from monai.bundle import ConfigParser

from meddino_components.checkpoints import describe_monai_network

COMPONENT = {"_target_": "meddino_components.bundle.network_definition", "_requires_": "@network_def"}
UNET = {
    "_target_": "UNet",
    "_desc_": "small",
    "spatial_dims": 2,
    "in_channels": 1,
    "out_channels": "$len(@names)",
    "channels": [4, "@width"],
    "strides": [2],
    "norm": ["group", {"num_groups": "$@width // 2"}],
}


def definition_of(network, **keys):
    config = {"names": ["a", "b"], "width": 8, "network_def": network, "definition": COMPONENT, **keys}
    return ConfigParser(config).get_parsed_content("definition")


def test_arguments_are_resolved():
    found = definition_of(UNET)
    assert (found["_target_"], found["out_channels"], found["channels"]) == ("UNet", 2, [4, 8])
    assert found["norm"] == ["group", {"num_groups": 4}]
    assert describe_monai_network(found)["out_channels"] == 2


def test_what_is_no_plain_data_is_not_described():
    found = definition_of({**UNET, "act": ["prelu", {"init": "$torch.tensor(0.2).item()"}]})
    assert describe_monai_network(found)["act"][0] == "prelu"
    assert describe_monai_network({**found, "act": torch.nn.ReLU}) is None


def test_a_network_made_elsewhere_has_none():
    assert definition_of("@made", made={"_target_": "torch.nn.Identity"}) == {}
    assert definition_of("$torch.nn.Identity()") == {}
