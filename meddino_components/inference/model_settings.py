"""Determine the settings of a segmentation network from the record of its weights.

The user types each setting or omits it (None). If there is a record, it decides, and typed settings must match it.
Weights without a record, such as those of the official code, use typed settings, else those that the bundle was
published with.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import nn

from ..checkpoints import WeightsRecord, backbone_of, build_network, encoder_part, read_record, resolve
from ..checkpoints.hub_address import HUB_PREFIX
from ..data.cases.region_conventions import OF_DATA_SET, regions_of_convention
from ..data.volumes.regions import Regions
from ..errors import InputError
from ..networks import MedDinoSegmenter
from ..slice_planes import AXIAL, check_axcodes
from .postprocessing import OrganSteps, PostprocessingStep, chosen_steps, plain_steps, structures_of
from .record_rules import (
    DEFAULT_RESAMPLING,
    check_kind,
    check_metadata,
    contradictions,
    fingerprint_of,
    foreground,
    labels_of,
    region_lists,
    sides_px,
    spacing_mm,
)

_BACKGROUND = "background"


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """The settings of the network in a weight file.

    Attributes:
        source: path of the weights, for messages.
        record: record of the weights, if they have one.
        architecture: network as the record describes it, see `checkpoints.build_network`; None if ``sizes`` describe
            it, or it comes from another project.
        sizes: ``backbone``, ``random_start`` and ``interaction_indices`` for weights without a record.
        roi_size: window size (h, w) in pixels.
        pixdim: in-plane spacing (rows, columns) in mm, or None for the volume's own.
        context_slices: number of neighbouring slices as channels, 1 or 3.
        fingerprint: intensity statistics of the data set, or None to use the intensity table.
        background: value outside the patient, if marked.
        resampling: interpolation of slices to ``pixdim``, see `resize_slices`.
        axcodes: orientation of the slices, see `slice_planes`.
        labels: names by number of the labels written; 0 is the background.
        regions: nested regions; None for mutually exclusive classes.
        channel_names: names of the input channels.
        segment_codes: codes for DICOM SEG, by the label's name.
        postprocess: steps of post-processing by the name of the organ or region; those without any are left out.
        dataset_layout: layout of the data set to evaluate on; as typed, else as in training.
        modality: modality of the cases; as typed, else ``ct``, ``mr`` or that of each channel if all training cases had
            it, else None.
        fold: fold of the validation cases.
        n_folds: number of folds of the split.
        split: rule of the split; as typed, else as in training.
        members: settings of each network if several segment together, see `joined_settings`.
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
    resampling: str
    axcodes: str
    labels: dict[int, str]
    regions: Regions | None
    channel_names: list[str]
    segment_codes: dict[str, Any] | None
    postprocess: dict[str, tuple[PostprocessingStep, ...]]
    dataset_layout: str | None
    modality: str | Mapping[str, str] | None
    fold: int
    n_folds: int
    split: str | None
    members: tuple[ModelSettings, ...] = ()

    @property
    def records(self) -> tuple[WeightsRecord, ...]:
        """Return the records of all networks that have one."""
        return tuple(one.record for one in (self.members or (self,)) if one.record is not None)

    @property
    def record_id(self) -> str | None:
        """Return the id by which results refer to the record."""
        return None if self.record is None else self.record.id

    @property
    def selection(self) -> dict[str, Any] | None:
        """Return how the network was selected in training: ``kept`` ("best" or "last"), ``epoch``, and the metric."""
        return dict(self.record.metrics) or None if self.record is not None else None

    @property
    def label_names(self) -> list[str] | dict[int, str]:
        """Return names of classes in order, the background first; or of regions by number, without the background."""
        if self.regions is None:
            return [name for _, name in sorted(self.labels.items())]
        return {label: name for label, name in self.labels.items() if label}

    @property
    def postprocess_settings(self) -> dict[str, Any] | None:
        """Return the steps of post-processing as JSON; None if there are none."""
        return plain_steps(self.postprocess) or None

    @property
    def num_outputs(self) -> int:
        """Return the number of output channels of the network."""
        return len(self.labels if self.regions is None else self.regions.names)

    @property
    def in_channels(self) -> int:
        """Return the number of input channels of the network."""
        return len(self.channel_names) * self.context_slices


def settings_of_weights(
    *,
    model_path: str | os.PathLike[str],
    typed: Mapping[str, Any],
    published: Mapping[str, Any],
    modality: str | Mapping[str, str] | None = None,
    postprocess: OrganSteps | Literal[False] | None = None,
    bundle_root: str | os.PathLike[str] = ".",
) -> ModelSettings:
    """Determine the settings of the network in a weight file.

    Args:
        model_path: path of the weights; if the file does not exist yet, typed and published settings apply.
        typed: settings of the user by key of the configuration; None if not typed.
        published: settings that the bundle was published with, for weights without a record.
        modality: modality as typed.
        postprocess: steps of post-processing as typed; False for none at all, None for those in the record.
        bundle_root: folder of the bundle. Its own weights, in ``models``, must match its ``metadata.json``.

    Raises:
        InputError: a typed setting contradicts the record (the message names both values), or the record describes
            another kind of network than the bundle runs, or is damaged.
    """
    record = record_of(model_path)
    chosen = {**published, **{key: value for key, value in typed.items() if value is not None}}
    source = os.fspath(model_path)
    if record is None or (record.architecture is None and not record.labels):
        return _without_record(source, chosen, modality, postprocess)
    check_kind(record, source, published)
    if found := contradictions(record, typed, modality):
        raise InputError(
            f"{source}: its record contradicts these settings: {'; '.join(found)}. Omit them, as the weights contain "
            f"them; or give weights trained with them"
        )
    check_metadata(record, source, Path(bundle_root))
    return _by_record(record, source, typed, published, modality, postprocess)


def record_of(model_path: str | os.PathLike[str]) -> WeightsRecord | None:
    """Return the record of weights in a file, a folder or on the hub; None if there is no file yet, or no record."""
    text = os.fspath(model_path)
    if not text.startswith(HUB_PREFIX) and not Path(text).expanduser().exists():
        return None
    return read_record(resolve(text))


def network_of_weights(*, settings: ModelSettings, dropout: float = 0.0) -> nn.Module:
    """Build the network of a weight file, with random weights.

    Args:
        settings: settings of the weight file.
        dropout: dropout before the decoder, see `MedDinoSegmenter`.

    Raises:
        InputError: the network does not exist, or comes from another project and the record does not describe it.
    """
    if settings.architecture is not None:
        of_run = {"dropout": dropout} if encoder_part(settings.architecture) else {}
        return build_network(settings.architecture, source=settings.source, **of_run)
    if settings.record is not None:
        raise InputError(
            f"{settings.source}: its record cannot describe its network: pass --network_def as in training"
        )
    sizes, channels = settings.sizes, settings.in_channels
    backbone = backbone_of(
        weights=settings.source,
        # MONAI Label's server starts before a model exists
        may_be_missing=True,
        name=sizes["backbone"],
        random_start=sizes["random_start"],
        in_chans=3 if channels in (1, 3) else channels,
    )
    if any(side % backbone.patch_size for side in settings.roi_size):
        raise InputError(
            f"roi_size is {settings.roi_size}; expected multiples of {backbone.patch_size}, the encoder's patch size"
        )
    return MedDinoSegmenter(
        backbone=backbone,
        num_classes=settings.num_outputs,
        in_channels=channels,
        interaction_indices=sizes["interaction_indices"],
        dropout=dropout,
    )


def _without_record(
    source: str,
    chosen: Mapping[str, Any],
    modality: str | Mapping[str, str] | None,
    postprocess: OrganSteps | Literal[False] | None,
) -> ModelSettings:
    regions = _stated_regions(chosen["label_convention"], source) if "label_convention" in chosen else None
    labels = {0: _BACKGROUND, **dict(regions.label_names)} if regions else labels_of(chosen["label_names"])
    return ModelSettings(
        source=source,
        record=None,
        architecture=None,
        sizes={key: chosen[key] for key in ("backbone", "random_start", "interaction_indices")},
        roi_size=sides_px(chosen["roi_size"]),
        pixdim=spacing_mm(chosen["pixdim"]),
        context_slices=chosen["context_slices"],
        fingerprint=fingerprint_of(chosen["fingerprint"]),
        background=chosen["background"],
        resampling=chosen.get("resampling", DEFAULT_RESAMPLING),
        axcodes=check_axcodes(chosen.get("axcodes", AXIAL)),
        labels=labels,
        regions=regions,
        channel_names=list(chosen["channel_names"]),
        segment_codes=chosen.get("segment_codes"),
        postprocess=chosen_steps(
            recorded=None,
            typed=postprocess,
            structures=structures_of(labels, regions),
            source=source,
        ),
        dataset_layout=chosen.get("dataset_layout"),
        modality=modality,
        fold=chosen.get("fold", 0),
        n_folds=chosen.get("n_folds", 5),
        split=chosen.get("split"),
    )


def _stated_regions(convention: str, source: str) -> Regions:
    if convention == OF_DATA_SET:
        raise InputError(f"{source}: has no record of its regions; set label_convention, such as brats2021")
    return regions_of_convention(convention)


def _by_record(
    record: WeightsRecord,
    source: str,
    typed: Mapping[str, Any],
    published: Mapping[str, Any],
    modality: str | Mapping[str, str] | None,
    postprocess: OrganSteps | Literal[False] | None,
) -> ModelSettings:
    plan, data = record.plan, record.data
    codes = {**(record.codes or {}), **(typed.get("segment_codes") or {})}
    regions = _regions(record, source)
    return ModelSettings(
        source=source,
        record=record,
        architecture=record.architecture,
        sizes={},
        roi_size=sides_px(plan["roi_size"]),
        pixdim=spacing_mm(plan["pixdim"]),
        context_slices=plan["context_slices"],
        fingerprint=fingerprint_of(plan["fingerprint"]),
        background=plan["background"],
        resampling=plan.get("resampling", DEFAULT_RESAMPLING),
        axcodes=plan.get("axcodes", AXIAL),
        labels=dict(record.labels),
        regions=regions,
        channel_names=list(record.channels),
        segment_codes=codes or None,
        postprocess=chosen_steps(
            recorded=record.postprocessing,
            typed=postprocess,
            structures=structures_of(record.labels, regions),
            source=source,
        ),
        dataset_layout=typed.get("dataset_layout") or data.get("layout") or published.get("dataset_layout"),
        modality=modality or record.modality,
        fold=_first(typed.get("fold"), data.get("fold"), 0),
        n_folds=_first(typed.get("n_folds"), data.get("n_folds"), 5),
        split=typed.get("split") or data.get("split"),
    )


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)


def _regions(record: WeightsRecord, source: str) -> Regions | None:
    if record.regions is None:
        return None
    names, members, written = region_lists(record.regions)
    try:
        return Regions(
            convention=record.regions["convention"],
            label_names=tuple(foreground(record).items()),
            names=tuple(names),
            members=tuple(tuple(labels) for labels in members),
            written=tuple(written),
            note=f"These are the labels of {source}",
        )
    except ValueError as error:
        raise InputError(f"{source}: its record is not valid: {error}; use the original file") from error
