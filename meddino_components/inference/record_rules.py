"""Check that a user's settings and a bundle's metadata match the record of weights."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..checkpoints import WeightsRecord, encoder_part, preset_of
from ..data.cases.region_conventions import OF_DATA_SET, regions_of_convention
from ..data.volumes.ct_or_mr import MODALITIES
from ..data.volumes.intensity_table import FINGERPRINT_KEYS, INTENSITY_TABLE
from ..data.volumes.regions import Regions
from ..errors import InputError
from ..slice_planes import AXIAL, PLANES_IN_WORDS, SLICE_PLANES

# for plans that do not state it
DEFAULT_RESAMPLING = "bilinear"


def check_kind(record: WeightsRecord, source: str, published: Mapping[str, Any]) -> None:
    """Refuse networks that this kind of bundle cannot run, or that this version would run differently."""
    needed = {"pixdim", "roi_size", "context_slices", "fingerprint", "background"}
    if not record.labels or not record.channels or needed - set(record.plan):
        raise InputError(
            f"{source}: its record does not describe a segmentation network (it comes from "
            f"{record.bundle or 'an encoder'}), expected one with plan, labels and channels: fine-tune it first "
            f"(`--weights` of train.json)"
        )
    if record.regions is None and sorted(record.labels) != list(range(len(record.labels))):
        raise InputError(
            f"{source}: its record has the classes {sorted(record.labels)}, expected 0 to {len(record.labels) - 1}, "
            f"one for each output of the network; use the original file"
        )
    several, found = len(published["channel_names"]) > 1, len(record.channels) > 1
    # a bundle of classes with one channel runs any number of them
    if several != found and (several or record.regions is not None):
        raise InputError(
            f"{source}: expects the channels {', '.join(record.channels)}, but this bundle has "
            f"{', '.join(published['channel_names'])}: use the bundle {record.bundle}, in which it was trained"
        )
    axcodes, version = record.plan.get("axcodes"), record.plan.get("intensity_version")
    for name, value, known, ours in (
        ("orientation", axcodes, SLICE_PLANES, PLANES_IN_WORDS),
        ("intensity table", version, (INTENSITY_TABLE["version"],), INTENSITY_TABLE["version"]),
    ):
        if value is not None and value not in known:
            raise InputError(
                f"{source}: was trained with {name} {value}, but this version has {ours}: install the version of "
                f"meddino "
                f"that wrote it ({record.software.get('meddino', 'unknown')})"
            )


def contradictions(
    record: WeightsRecord, typed: Mapping[str, Any], modality: str | Mapping[str, str] | None
) -> list[str]:
    """List both values of each typed setting that contradicts the record."""
    plan, architecture = record.plan, record.architecture or {}
    regions = record.regions
    # key -> value in the record, and the function that makes both values comparable
    rules: dict[str, tuple[Any, Callable[[Any], Any]]] = {
        "roi_size": (plan["roi_size"], sides_px),
        "pixdim": (plan["pixdim"], spacing_mm),
        "context_slices": (plan["context_slices"], int),
        "fingerprint": (plan["fingerprint"], fingerprint_of),
        "background": (plan["background"], lambda value: None if value is None else float(value)),
        "resampling": (plan.get("resampling", DEFAULT_RESAMPLING), str),
        "axcodes": (plan.get("axcodes", AXIAL), str),
        "label_names": (record.labels, labels_of),
        "channel_names": (record.channels, list),
        "backbone": (preset_of(architecture), str),
        "interaction_indices": (architecture.get("interaction_indices"), lambda value: sorted(value or ())),
    }
    found = []
    for key, (recorded, form) in rules.items():
        value = typed.get(key)
        if value is not None and not _same(form(value), form(recorded)):
            found.append(f"{key} is {_shown(recorded)} in the record, but set to {_shown(value)}")
    encoder = encoder_part(architecture)
    for key, value in (typed.get("random_start") or {}).items():
        # trained weights do not show the initial LayerScale
        if key != "layerscale_init" and not _same(value, encoder.get(key)):
            recorded = _shown(encoder.get(key))
            found.append(f"random_start::{key} is {recorded} in the record, but set to {_shown(value)}")
    convention = typed.get("label_convention")
    if convention not in (None, OF_DATA_SET):
        given = regions_of_convention(convention)
        if regions is None or dict(given.label_names) != foreground(record) or _nested(given) != region_lists(regions):
            stated = regions["convention"] if regions else "mutually exclusive classes"
            found.append(f"label_convention is {stated} in the record, but set to {convention}")
    given_modality = dict(modality) if isinstance(modality, Mapping) else str(modality).lower()
    is_stated = isinstance(given_modality, dict) or given_modality in MODALITIES
    if is_stated and record.modality not in (None, given_modality):
        found.append(f"modality is {record.modality} in the record, but set to {modality}")
    return found


def check_metadata(record: WeightsRecord, source: str, root: Path) -> None:
    """Check a bundle's own weights against its metadata, from which MONAI Label takes the labels."""
    metadata = root / "configs" / "metadata.json"
    path = Path(source)
    if not metadata.is_file() or not path.exists() or path.resolve().parent != (root / "models").resolve():
        return
    outputs = json.loads(metadata.read_text(encoding="utf-8")).get("network_data_format", {}).get("outputs", {})
    stated = {int(k): v for k, v in outputs.get("pred", {}).get("channel_def", {}).items() if int(k)}
    if stated and stated != foreground(record):
        raise InputError(
            f"{source}: its record has the labels {_shown(foreground(record))}, but {metadata} has {_shown(stated)}: "
            f"package these weights with `python -m meddino_components package {root} --model {source}`, or store "
            f"them elsewhere and pass --model_path"
        )


def foreground(record: WeightsRecord) -> dict[int, str]:
    return {label: name for label, name in record.labels.items() if label}


def region_lists(regions: Mapping[str, Any]) -> tuple[list[str], list[list[int]], list[int]]:
    return list(regions["names"]), [list(labels) for labels in regions["members"]], list(regions["written"])


def _nested(regions: Regions) -> tuple[list[str], list[list[int]], list[int]]:
    return list(regions.names), [list(labels) for labels in regions.members], list(regions.written)


def sides_px(value: int | Sequence[int]) -> list[int]:
    return [int(side) for side in (value if isinstance(value, Sequence) else (value, value))]


def spacing_mm(value: float | Sequence[float] | None) -> list[float] | None:
    if value is None:
        return None
    return [float(side) for side in (value if isinstance(value, Sequence) else (value, value))]


def fingerprint_of(value: Mapping[str, float] | None) -> dict[str, float] | None:
    # a configuration may contain a description next to the numbers
    return None if value is None else {key: float(value[key]) for key in FINGERPRINT_KEYS if key in value}


def labels_of(value: Sequence[str] | Mapping[Any, str]) -> dict[int, str]:
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    return {int(label): str(name) for label, name in items}


def _same(first: Any, second: Any) -> bool:
    """Compare two values, numbers to six digits."""
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=1e-6, abs_tol=1e-9)
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return set(first) == set(second) and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_same, first, second))
    return bool(first == second)


def _shown(value: Any) -> str:
    """Return a value as a user would type it, shortened if it is long."""
    if isinstance(value, tuple):
        value = list(value)
    text = "null" if value is None else str(value)
    return text if len(text) < 160 else f"{text[:150]}... ({len(value)} in all)"
