"""Build the record that fine-tuning stores in its weights."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import nn

from ..checkpoints import (
    LoadReport,
    WeightsRecord,
    describe_monai_network,
    describe_network,
    hash_of_case,
    parent_of,
    read_record,
    resolve,
)
from ..data.cases.case_splits import portable_split
from ..data.volumes.file_checks import stem_of
from ..data.volumes.intensity_table import INTENSITY_TABLE
from ..data.volumes.regions import Regions, plain_regions
from ..errors import InputError
from ..files import sha256_of
from ..slice_planes import AXIAL
from ..software import software_versions

_BACKGROUND = "background"
# key of a plan that may differ from run to run
_OF_RUN = "check_modality"


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """The cases of a run, and how they were split.

    Args:
        training_cases: cases to train on; the record keeps only hashes of their ids.
        validation_cases: cases to validate on.
        dataset_dir: folder of the data set; the record keeps its last part as the name.
        layout: layout of the data set.
        fold: fold of the validation cases.
        n_folds: number of folds.
        split: split as in the configuration; of a path the record keeps only that it is nnU-Net's file.
        licences: licences of the data.
    """

    training_cases: Sequence[Mapping[str, Any]]
    validation_cases: Sequence[Mapping[str, Any]] = ()
    dataset_dir: str | os.PathLike[str] = ""
    layout: str | None = None
    fold: int | None = None
    n_folds: int | None = None
    split: str | None = None
    licences: Sequence[str] = ()

    def facts(self) -> dict[str, Any]:
        """Return the record's entries on the data."""
        return {
            "name": Path(self.dataset_dir).name,
            "layout": self.layout,
            "fold": self.fold,
            "n_folds": self.n_folds,
            "split": portable_split(self.split),
            "training": _hashes(self.training_cases),
            "validation": _hashes(self.validation_cases),
        }

    def annotated_cases(self, label_names: Sequence[str]) -> dict[str, Any]:
        """How many training cases annotated each label, as an item of the record; nothing if each annotated all."""
        stated = [case.get("annotated") for case in self.training_cases]
        if all(names is None for names in stated):
            return {}
        return {"annotated": {name: sum(s is None or name in s for s in stated) for name in label_names}}

    def modality(self) -> str | dict[str, str] | None:
        """Return ct or mr, or the modality of each channel, if all training cases agree, else None."""
        of_channels = [case["modality"] for case in self.training_cases if isinstance(case.get("modality"), Mapping)]
        if of_channels and len(of_channels) == len(self.training_cases):
            return dict(of_channels[0]) if all(one == of_channels[0] for one in of_channels) else None
        found = {str(case.get("modality")).lower() for case in self.training_cases}
        return next(iter(found)) if found in ({"ct"}, {"mr"}) else None


def training_record(
    *,
    network: nn.Module,
    plan: Mapping[str, Any],
    channels: Sequence[str],
    data: TrainingData,
    definition: Mapping[str, Any] | None = None,
    labels: Sequence[str] | None = None,
    regions: Regions | None = None,
    codes: Mapping[str, Any] | None = None,
    seed: int | None = None,
    encoder: LoadReport | None = None,
    trained_further: str | os.PathLike[str] | None = None,
    bundle: str | None = None,
) -> WeightsRecord:
    """Build the record of a segmentation network before its training.

    Args:
        network: network to train, without a DDP wrapper.
        plan: ``roi_size``, ``pixdim``, ``resampling``, ``context_slices``, ``fingerprint``, ``background``,
            ``check_modality`` and ``axcodes`` of the configuration.
        channels: names of the input's channels.
        data: cases of the run.
        definition: ``_target_`` and arguments of the network in the configuration, if it is one of MONAI's.
        labels: names of mutually exclusive classes, with the background first.
        regions: nested regions, in place of ``labels``.
        codes: codes for DICOM SEG, by the label's name.
        seed: random seed of the run.
        encoder: report on the weights that were loaded into the encoder.
        trained_further: weights of the whole network that training continues from.
        bundle: name of the bundle.

    Raises:
        InputError: ``trained_further`` has another network or other labels than this run.
    """
    parents = [parent_of(encoder.source, encoder.sha256, "encoder")] if encoder else []
    if trained_further is not None and Path(trained_further).is_file():
        parents.append(parent_of(os.fspath(trained_further), sha256_of(trained_further), "network"))
    names = {0: _BACKGROUND, **dict(regions.label_names)} if regions else dict(enumerate(labels or ()))
    record = WeightsRecord(
        architecture=_architecture(network, definition or {}),
        plan={
            **plan,
            "roi_size": _pair(plan["roi_size"]),
            "pixdim": None if plan["pixdim"] is None else _pair(plan["pixdim"]),
            "fingerprint": _without_description(plan.get("fingerprint")),
            "intensity_version": INTENSITY_TABLE["version"],
        },
        labels=names,
        regions=None if regions is None else plain_regions(regions),
        codes=None if codes is None else dict(codes),
        channels=tuple(channels),
        modality=data.modality(),
        data=data.facts() | data.annotated_cases([name for label, name in names.items() if label]),
        seeds={"training": seed},
        software=software_versions(),
        parents=tuple(parent.facts for parent in parents),
        licences=tuple(dict.fromkeys([*data.licences, *(text for parent in parents for text in parent.licences)])),
        bundle=bundle,
    )
    if trained_further is not None:
        _check_same_network(record, trained_further)
    return record


def _check_same_network(record: WeightsRecord, path: str | os.PathLike[str]) -> None:
    """Refuse weights of another network or task, since MONAI Label silently skips tensors that do not fit."""
    earlier = read_record(resolve(path))
    if earlier is None:
        return
    for name in ("architecture", "labels", "regions", "channels", "plan"):
        found, expected = json.loads(earlier.to_json())[name], json.loads(record.to_json())[name]
        if name == "plan":
            found = {"axcodes": AXIAL, **found}  # older records do not have this key
            found, expected = ({k: v for k, v in plan.items() if k != _OF_RUN} for plan in (found, expected))
        if found != expected:
            where = (
                sorted(key for key in expected if found.get(key) != expected[key])
                if _both_maps(found, expected)
                else []
            )
            raise InputError(
                f"{path}: its record and this configuration differ in '{name}' ({', '.join(where) or found}): package "
                "these weights with `python -m meddino_components package` and use that bundle's train.json"
            )


def _both_maps(first: Any, second: Any) -> bool:
    return isinstance(first, dict) and isinstance(second, dict)


def case_id_of(case: Mapping[str, Any]) -> str:
    """Return the id of a case, or the name of its image for cases from MONAI Label, which have no id."""
    if "case_id" in case:
        return str(case["case_id"])
    image = case["image"]
    return stem_of(Path(str(next(iter(image.values())) if isinstance(image, Mapping) else image)))


def _architecture(network: nn.Module, definition: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the architecture for the record; None for a network that the record cannot describe."""
    try:
        return describe_network(network)
    except TypeError:
        return describe_monai_network(definition)


def _hashes(cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    ids = sorted(case_id_of(case) for case in cases)
    return {
        "n_cases": len(ids),
        "sha256": sha256("\n".join(ids).encode()).hexdigest(),
        "cases": [hash_of_case(case_id) for case_id in ids],
    }


def _pair(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Sequence) else [value, value]


def _without_description(fingerprint: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if fingerprint is None:
        return None
    return {key: value for key, value in fingerprint.items() if not key.startswith("_")}
