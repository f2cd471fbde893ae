"""Weights that nobody trained, with the record that training of a bundle would have written into them."""

import torch
from command_lines import AMOS
from monai.bundle import ConfigParser

from meddino_components.checkpoints import write_weights


def write_random_model(path, *, bundle=AMOS, overlays=(), **settings):
    """Random weights of the network that ``train.json`` with overlays and settings describes; returns their SHA-256."""
    parser = ConfigParser()
    parser.read_config([str(bundle / "configs" / f"{name}.json") for name in ("train", *overlays)])
    # there are no cases, and nobody types anything
    parser.update({"train::dataset::data": [], "validate::dataset::data": [], "from_annotators": False, "check": None})
    parser.update({"weights": "random", **settings})
    torch.manual_seed(0)
    network = parser.get_parsed_content("network_def")
    return write_weights(network.state_dict(), path, record=parser.get_parsed_content("record"))
