"""The committed configurations of every bundle, alone and with each overlay."""

import json
from pathlib import Path

import yaml
from monai.bundle import ConfigParser

BUNDLES = sorted(path.parent.parent for path in (Path(__file__).parents[2] / "bundles").glob("*/sources/layers.yaml"))
LAYERS = {bundle: yaml.safe_load((bundle / "sources/layers.yaml").read_text(encoding="utf-8")) for bundle in BUNDLES}
COMPLETE = [(bundle, name) for bundle in BUNDLES for name in LAYERS[bundle]["complete"]]
OVERLAYS = [(bundle, name) for bundle in BUNDLES for name in LAYERS[bundle]["overlays"]]


def is_segmentation(bundle):
    """Whether the bundle's metadata say that its network segments."""
    return read_json(bundle, "metadata")["network_data_format"]["outputs"]["pred"]["format"] == "segmentation"


def label_names(bundle):
    """{label: name} by the bundle's metadata, from where MONAI Label takes them."""
    channel_def = read_json(bundle, "metadata")["network_data_format"]["outputs"]["pred"]["channel_def"]
    return {int(label): name for label, name in channel_def.items()}


def read_json(bundle, name):
    return json.loads((bundle / "configs" / f"{name}.json").read_text(encoding="utf-8"))


SEGMENTATION = [bundle for bundle in BUNDLES if is_segmentation(bundle)]


def _is_meant_for(overlay, bundle, name):
    """Several processes train, they do not infer; what runs a trained network does not train."""
    if overlay.startswith("reproduction"):
        return name == ("evaluate" if overlay.endswith("evaluate") else "train")
    return not overlay.startswith("inference_" if "training" in read_json(bundle, name) else "multi_gpu")


# every complete configuration by itself and under each overlay that is meant for it
COMBINED = [(bundle, [name]) for bundle, name in COMPLETE]
COMBINED += [
    (bundle, [name, overlay])
    for bundle, overlay in OVERLAYS
    for name in LAYERS[bundle]["complete"]
    if _is_meant_for(overlay, bundle, name)
]


def label(case):
    bundle, names = case
    return f"{bundle.name}:{names if isinstance(names, str) else '+'.join(names)}"


def read(bundle, *names):
    """The merged configuration, as `monai.bundle run` sees it."""
    parser = ConfigParser()
    parser.read_config([str(bundle / "configs" / f"{name}.json") for name in names])
    return parser.get()


def components(config, path=""):
    """(path, component) of each mapping with a ``_target_``."""
    if isinstance(config, dict):
        if "_target_" in config:
            yield path, config
        items = config.items()
    else:
        items = enumerate(config) if isinstance(config, list) else ()
    for key, value in items:
        yield from components(value, f"{path}::{key}" if path else str(key))
