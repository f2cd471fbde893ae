"""What a segmentation network needs, from the record of its weights.

Each setting is typed by the user or left out (None). The record decides where there is one: what is typed has to agree
with it. Weights without a record, of the official code for instance, take what is typed and else what the bundle was
published with.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from ..checkpoints import WeightsRecord, backbone_of, build_network, preset_of, read_record, resolve
from ..checkpoints.source import HUB_PREFIX
from ..data.brats_labels import brats_regions
from ..data.geometry import CANONICAL_AXCODES
from ..data.intensity import FINGERPRINT_KEYS, INTENSITY_TABLE, MODALITIES
from ..data.regions import Regions
from ..errors import InputError
from ..networks import MedDinoSegmenter, chosen_backbone

_BACKGROUND = "background"


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """What the network of a weight file needs.

    Attributes:
        source: the weights, for messages.
        record: theirs, if they have one.
        architecture: by the record, see `checkpoints.build_network`; None: of the sizes in ``sizes``.
        sizes: without a record: ``backbone``, ``qkv_bias``, ``layerscale_init``, ``interaction_indices``.
        roi_size: (h, w) in pixels.
        pixdim: (rows, columns) in mm, or None for the volume's own.
        context_slices: 1 or 3.
        fingerprint: intensities of the data set, or None for the table.
        background: value outside the patient, if it is marked.
        labels: name by number of what is written, 0 is the background.
        regions: None for classes that exclude each other.
        channel_names: of the input.
        segment_codes: for DICOM SEG, by the label's name.
        fold: of the validation cases.
        n_folds: of the split.
    """

    source: str
    record: WeightsRecord | None
    architecture: Mapping[str, Any] | None
    sizes: Mapping[str, Any]
    roi_size: list[int]
    pixdim: list[float] | None
    context_slices: int
    fingerprint: dict[str, float] | None
    background: float | None
    labels: dict[int, str]
    regions: Regions | None
    channel_names: list[str]
    segment_codes: dict[str, Any] | None
    fold: int
    n_folds: int

    @property
    def record_id(self) -> str | None:
        """By which results name the record."""
        return None if self.record is None else self.record.id

    @property
    def label_names(self) -> list[str] | dict[int, str]:
        """Of classes in their order, the background first; of regions by number, the background left out."""
        if self.regions is None:
            return list(self.labels.values())
        return {label: name for label, name in self.labels.items() if label}

    @property
    def num_outputs(self) -> int:
        """Channels of the network's output."""
        return len(self.labels if self.regions is None else self.regions.names)

    @property
    def in_channels(self) -> int:
        """Channels of the network's input."""
        return len(self.channel_names) * self.context_slices


def model_settings(
    *,
    model_path: str | os.PathLike[str],
    typed: Mapping[str, Any],
    published: Mapping[str, Any],
    modality: str | None = None,
    bundle_root: str | os.PathLike[str] = ".",
) -> ModelSettings:
    """Settle what the network of a weight file needs.

    Args:
        model_path: the weights; where there are none yet, what is typed and published counts.
        typed: settings of the user by the configuration's keys, None where nothing was typed.
        published: what the bundle was published with, for weights without a record.
        modality: as typed.
        bundle_root: the bundle's folder. Its own weights, in ``models``, have to agree with its ``metadata.json``.

    Raises:
        InputError: a typed setting contradicts the record (names both values), the record is of another kind of network
            than the bundle runs, or is damaged.
    """
    record = record_of(model_path)
    chosen = {**published, **{key: value for key, value in typed.items() if value is not None}}
    source = os.fspath(model_path)
    if record is None or (record.architecture is None and not record.labels):
        return _without_record(source, chosen)
    _check_kind(record, source, published)
    if found := _contradictions(record, typed, modality):
        raise InputError(
            f"{source}: its record says otherwise than what is set: {'; '.join(found)}. Leave these out, the weights "
            "know them; or give the weights that were made with them"
        )
    _check_metadata(record, source, Path(bundle_root))
    return _by_record(record, source, chosen)


def record_of(model_path: str | os.PathLike[str]) -> WeightsRecord | None:
    """The record of weights in a file, a folder or on the hub; None where there is no such file yet, or no record."""
    text = os.fspath(model_path)
    if not text.startswith(HUB_PREFIX) and not Path(text).expanduser().exists():
        return None
    return read_record(resolve(text))


def network_of_model(*, settings: ModelSettings, pos_embed_rope_dtype: str = "fp32", dropout: float = 0.0) -> nn.Module:
    """Build the network of a weight file, with random weights.

    Args:
        settings: of the file.
        pos_embed_rope_dtype: precision of the rotation, see `DinoVisionTransformer`.
        dropout: before the decoder, see `MedDinoSegmenter`.

    Raises:
        InputError: no such network.
    """
    if settings.architecture is not None:
        of_run = {"pos_embed_rope_dtype": pos_embed_rope_dtype, "dropout": dropout}
        ours = bool(backbone_of(settings.architecture))
        return build_network(settings.architecture, source=settings.source, **(of_run if ours else {}))
    sizes, channels = settings.sizes, settings.in_channels
    backbone = chosen_backbone(
        sizes["backbone"],
        in_chans=3 if channels in (1, 3) else channels,
        qkv_bias=sizes["qkv_bias"],
        layerscale_init=sizes["layerscale_init"],
        norm_layer="layernorm",
        pos_embed_rope_dtype=pos_embed_rope_dtype,
        pos_embed_rope_rescale_coords=None,
    )
    return MedDinoSegmenter(
        backbone=backbone,
        num_classes=settings.num_outputs,
        in_channels=channels,
        interaction_indices=sizes["interaction_indices"],
        dropout=dropout,
    )


def _without_record(source: str, chosen: Mapping[str, Any]) -> ModelSettings:
    regions = brats_regions(chosen["label_convention"]) if "label_convention" in chosen else None
    labels = {0: _BACKGROUND, **dict(regions.label_names)} if regions else _labels(chosen["label_names"])
    return ModelSettings(
        source=source,
        record=None,
        architecture=None,
        sizes={key: chosen[key] for key in ("backbone", "qkv_bias", "layerscale_init", "interaction_indices")},
        roi_size=_sides(chosen["roi_size"]),
        pixdim=_spacing(chosen["pixdim"]),
        context_slices=chosen["context_slices"],
        fingerprint=_fingerprint(chosen["fingerprint"]),
        background=chosen["background"],
        labels=labels,
        regions=regions,
        channel_names=list(chosen["channel_names"]),
        segment_codes=chosen.get("segment_codes"),
        fold=chosen.get("fold", 0),
        n_folds=chosen.get("n_folds", 5),
    )


def _by_record(record: WeightsRecord, source: str, chosen: Mapping[str, Any]) -> ModelSettings:
    plan, data = record.plan, record.data
    codes = {**(record.codes or {}), **(chosen.get("segment_codes") or {})}
    return ModelSettings(
        source=source,
        record=record,
        architecture=record.architecture,
        sizes={},
        roi_size=_sides(plan["roi_size"]),
        pixdim=_spacing(plan["pixdim"]),
        context_slices=plan["context_slices"],
        fingerprint=_fingerprint(plan["fingerprint"]),
        background=plan["background"],
        labels=dict(record.labels),
        regions=_regions(record, source),
        channel_names=list(record.channels),
        segment_codes=codes or None,
        fold=_first(chosen.get("fold"), data.get("fold"), 0),
        n_folds=_first(chosen.get("n_folds"), data.get("n_folds"), 5),
    )


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)


def _check_kind(record: WeightsRecord, source: str, published: Mapping[str, Any]) -> None:
    """Refuse what is no segmentation network of this kind of bundle, and what this version would run otherwise."""
    needed = {"pixdim", "roi_size", "context_slices", "fingerprint", "background"}
    if record.architecture is None or not record.labels or not record.channels or needed - set(record.plan):
        raise InputError(
            f"{source}: its record describes no segmentation network (it is of {record.bundle or 'an encoder'}), "
            "expected one with architecture, plan, labels and channels: fine-tune it first (`--weights` of train.json)"
        )
    several, found = len(published["channel_names"]) > 1, len(record.channels) > 1
    if several != found:
        raise InputError(
            f"{source}: takes the channels {', '.join(record.channels)}, this bundle has "
            f"{', '.join(published['channel_names'])}: use the bundle {record.bundle}, which it was made with"
        )
    axcodes, version = record.plan.get("axcodes"), record.plan.get("intensity_version")
    for name, value, ours in (
        ("orientation", axcodes, CANONICAL_AXCODES),
        ("intensity table", version, INTENSITY_TABLE["version"]),
    ):
        if value not in (None, ours):
            raise InputError(
                f"{source}: was trained with {name} {value}, this version has {ours}: install the version of meddino "
                f"that wrote it ({record.software.get('meddino', 'unknown')})"
            )


def _contradictions(record: WeightsRecord, typed: Mapping[str, Any], modality: str | None) -> list[str]:
    """Both values of each typed setting that is not the record's."""
    plan, architecture = record.plan, record.architecture or {}
    backbone = backbone_of(architecture)
    regions = record.regions
    # key -> what the record has, and how both are brought to one form
    rules: dict[str, tuple[Any, Callable[[Any], Any]]] = {
        "roi_size": (plan["roi_size"], _sides),
        "pixdim": (plan["pixdim"], _spacing),
        "context_slices": (plan["context_slices"], int),
        "fingerprint": (plan["fingerprint"], _fingerprint),
        "background": (plan["background"], lambda value: None if value is None else float(value)),
        "label_names": (record.labels, _labels),
        "channel_names": (record.channels, list),
        "backbone": (preset_of(architecture), str),
        "qkv_bias": (backbone.get("qkv_bias"), bool),
        # its initial value is the run's
        "layerscale_init": (backbone.get("layerscale_init"), lambda value: value is not None),
        "interaction_indices": (architecture.get("interaction_indices"), lambda value: sorted(value or ())),
    }
    found = []
    for key, (recorded, form) in rules.items():
        value = typed.get(key)
        if value is not None and not _same(form(value), form(recorded)):
            found.append(f"{key} is {_shown(recorded)} in the record, {_shown(value)} is set")
    convention = typed.get("label_convention")
    if convention is not None:
        given = brats_regions(convention)
        if regions is None or dict(given.label_names) != _foreground(record) or _nested(given) != _lists(regions):
            stated = regions["convention"] if regions else "classes that exclude each other"
            found.append(f"label_convention is {stated} in the record, {convention} is set")
    given_modality = str(modality).lower()
    if given_modality in MODALITIES and record.modality not in (None, given_modality):
        found.append(f"modality is {record.modality} in the record, {modality} is set")
    return found


def _check_metadata(record: WeightsRecord, source: str, root: Path) -> None:
    """MONAI Label takes labels from the bundle's metadata: a bundle's own weights have to be those it describes."""
    metadata = root / "configs" / "metadata.json"
    path = Path(source)
    if not metadata.is_file() or not path.exists() or path.resolve().parent != (root / "models").resolve():
        return
    outputs = json.loads(metadata.read_text(encoding="utf-8")).get("network_data_format", {}).get("outputs", {})
    stated = {int(k): v for k, v in outputs.get("pred", {}).get("channel_def", {}).items() if int(k)}
    if stated and stated != _foreground(record):
        raise InputError(
            f"{source}: its record has the labels {_shown(_foreground(record))}, {metadata} has {_shown(stated)}: make "
            f"a bundle of these weights by `python -m meddino_components package {root} --model {source}`, or keep "
            "them elsewhere and give --model_path"
        )


def _regions(record: WeightsRecord, source: str) -> Regions | None:
    if record.regions is None:
        return None
    names, members, written = _lists(record.regions)
    try:
        return Regions(
            convention=record.regions["convention"],
            label_names=tuple(_foreground(record).items()),
            names=tuple(names),
            members=tuple(tuple(labels) for labels in members),
            written=tuple(written),
            note=f"These are the labels of {source}",
        )
    except ValueError as error:
        raise InputError(f"{source}: its record is wrong: {error}; take the file as it was written") from error


def _foreground(record: WeightsRecord) -> dict[int, str]:
    return {label: name for label, name in record.labels.items() if label}


def _lists(regions: Mapping[str, Any]) -> tuple[list[str], list[list[int]], list[int]]:
    return list(regions["names"]), [list(labels) for labels in regions["members"]], list(regions["written"])


def _nested(regions: Regions) -> tuple[list[str], list[list[int]], list[int]]:
    return list(regions.names), [list(labels) for labels in regions.members], list(regions.written)


def _sides(value: int | Sequence[int]) -> list[int]:
    return [int(side) for side in (value if isinstance(value, Sequence) else (value, value))]


def _spacing(value: float | Sequence[float] | None) -> list[float] | None:
    if value is None:
        return None
    return [float(side) for side in (value if isinstance(value, Sequence) else (value, value))]


def _fingerprint(value: Mapping[str, float] | None) -> dict[str, float] | None:
    # a configuration may hold a description beside the numbers
    return None if value is None else {key: float(value[key]) for key in FINGERPRINT_KEYS if key in value}


def _labels(value: Sequence[str] | Mapping[Any, str]) -> dict[int, str]:
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    return {int(label): str(name) for label, name in items}


def _same(first: Any, second: Any) -> bool:
    """Equal, numbers to the sixth digit."""
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=1e-6, abs_tol=1e-9)
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return set(first) == set(second) and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_same, first, second))
    return bool(first == second)


def _shown(value: Any) -> str:
    """A value as a user would type it, cut where it is long."""
    if isinstance(value, tuple):
        value = list(value)
    text = "null" if value is None else str(value)
    return text if len(text) < 160 else f"{text[:150]}... ({len(value)} in all)"
