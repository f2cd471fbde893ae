"""The configurations and the metadata of a bundle, as they are for the weights that it ships."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..checkpoints import WeightsRecord, encoder_part, preset_of
from ..data.cases.region_conventions import OF_DATA_SET, is_known_convention
from ..networks import PRESETS, complete_architecture

# from which a size without a name is described
_OF_NO_NAME = "vit_base"


def settings_of(record: WeightsRecord) -> dict[str, Any]:
    """The record of a segmentation network as keys of a bundle's configuration."""
    architecture = record.architecture or {}
    backbone = encoder_part(architecture)
    settings: dict[str, Any] = {
        key: record.plan[key] for key in ("roi_size", "pixdim", "context_slices", "fingerprint", "background")
    }
    settings |= {key: record.plan[key] for key in ("resampling", "axcodes") if key in record.plan}
    settings["channel_names"] = list(record.channels)
    if "layout" in record.data:
        settings["dataset_layout"] = record.data["layout"]
    settings["segment_codes"] = None if record.codes is None else dict(record.codes)
    if record.regions is None:
        settings["label_names"] = [name for _, name in sorted(record.labels.items())]
    else:
        convention = record.regions["convention"]
        settings["label_convention"] = convention if is_known_convention(convention) else OF_DATA_SET
    # for MONAI's own loading, which builds the network before it knows where the weights are; networks of others stand
    # in the record alone
    if backbone:
        name = preset_of(architecture)
        settings["backbone"] = name if name in PRESETS else _OF_NO_NAME
        settings["random_start"] = _unlike_preset(settings["backbone"], backbone)
        settings["interaction_indices"] = list(architecture["interaction_indices"])
    return settings


def config_of_weights(config: Mapping[str, Any], record: WeightsRecord) -> dict[str, Any]:
    """A configuration whose defaults are those of the weights: of a complete one its own keys, else ``published``."""
    settings = settings_of(record)
    changed = dict(config)
    # a network of others is built from its arguments: the sizes of an encoder say nothing about it
    if "network_def" in config and record.architecture and not encoder_part(record.architecture):
        changed["network_def"] = {"_requires_": config["network_def"]["_requires_"], **record.architecture}
    if "published" in config:
        published = dict(config["published"])
        changed["published"] = published | {key: value for key, value in settings.items() if key in published}
        return changed
    # training continues from the weights that are shipped; their record describes the encoder
    of_encoder = ("backbone", "random_start")
    changed |= {key: value for key, value in settings.items() if key in config and key not in of_encoder}
    if "weights" in config:
        changed["weights"] = "$@bundle_root + '/models/model.pt'"
    return changed


def _unlike_preset(name: str, backbone: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a backbone that differ from those of its preset."""
    preset = complete_architecture(name)
    # channels are the bundle's; the rest of what is recorded is no argument
    return {key: value for key, value in backbone.items() if preset.get(key, value) != value and key != "in_chans"}


def metadata_of_weights(metadata: Mapping[str, Any], record: WeightsRecord) -> dict[str, Any]:
    """The metadata with inputs, outputs and labels of the weights, which MONAI Label and MONAI's checks read."""
    data_format = dict(metadata["network_data_format"])
    channels, context = list(record.channels), record.plan["context_slices"]
    image, prediction = dict(data_format["inputs"]["image"]), dict(data_format["outputs"]["pred"])
    image |= {
        "num_channels": len(channels) * context,
        "channel_def": {str(number): name for number, name in enumerate(channels)},
    }
    if record.modality is not None:
        modalities = record.modality.values() if isinstance(record.modality, Mapping) else [record.modality]
        image["modality"] = ", ".join(modality.upper() for modality in modalities)
    outputs = record.labels if record.regions is None else record.regions["names"]
    prediction |= {
        "num_channels": len(outputs),
        "channel_def": {str(label): name for label, name in sorted(record.labels.items())},
    }
    inputs = {**data_format["inputs"], "image": image}
    data_format |= {"inputs": inputs, "outputs": {**data_format["outputs"], "pred": prediction}}
    return {**metadata, "network_data_format": data_format}
