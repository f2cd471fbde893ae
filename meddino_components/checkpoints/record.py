"""The record in a weight file: plain data that describes the weights, the same in every file format.

The record holds what you need to use the network (architecture, plan, labels, channels) and where it comes from (data
set and split, parents, licences, software, metrics). It leaves out what belongs to a run (DropPath, augmentation,
precision). As it may come from an untrusted file, its types and ranges are checked, and nothing in it is evaluated.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from meddino_components.errors import InputError

FORMAT_VERSION = 1

Plain = Mapping[str, Any]

_MODALITIES = (None, "ct", "mr")
_LARGEST_SIDE_PX = 65536
_HIGHEST_LABEL = 255
_DEEPEST = 12


@dataclass(frozen=True, kw_only=True)
class WeightsRecord:
    """The record of a weight file.

    Attributes:
        architecture: ``_target_`` and arguments of the network, see `describe_network`; None if not stated.
        plan: ``pixdim`` (mm), ``roi_size`` (px), ``context_slices``, ``fingerprint``, ``intensity_version``,
            ``background``, ``resampling``, ``check_modality``, ``axcodes``.
        labels: names by number of the labels that the network writes, including the background if there is one.
        regions: ``convention``, ``names``, ``members`` and ``written`` for nested regions; None for classes.
        codes: DICOM SEG codes by the label's name, as `inference.segment_codes.codes_of` takes them.
        channels: names of the input channels, in order.
        modality: ``ct`` or ``mr`` if all training cases have it, or the modality of each channel if channels differ;
            None if the cases differ or it is not stated.
        data: ``name`` and ``layout`` of the data set, ``fold``, ``n_folds``; for ``training`` and ``validation`` each
            ``n_cases``, ``sha256`` of the sorted ids, and ``cases``, a hash of each id.
        seeds: random seeds by name.
        software: versions by name.
        parents: ``source``, ``sha256``, ``role`` and ``record_id`` of each file that training started from.
        licences: licences of the data and the parents.
        metrics: values of metrics by name, with ``epoch``.
        bundle: name of the bundle that can run the network.
        stage: settings of a pretraining stage that the next stage must match.
        export: format, input and output of an exported network, and the SHA-256 of the weights it was made from.
        postprocessing: steps by the name of the organ or region, as `inference.postprocessing.plain_steps` returns
            them; None if nobody chose any.
    """

    architecture: Plain | None = None
    plan: Plain = field(default_factory=dict)
    labels: Mapping[int, str] = field(default_factory=dict)
    regions: Plain | None = None
    codes: Plain | None = None
    channels: tuple[str, ...] = ()
    modality: str | Mapping[str, str] | None = None
    data: Plain = field(default_factory=dict)
    seeds: Plain = field(default_factory=dict)
    software: Plain = field(default_factory=dict)
    parents: tuple[Plain, ...] = ()
    licences: tuple[str, ...] = ()
    metrics: Plain = field(default_factory=dict)
    bundle: str | None = None
    stage: Plain | None = None
    export: Plain | None = None
    postprocessing: Plain | None = None

    def __post_init__(self) -> None:
        if problems := list(_problems(self)):
            raise ValueError("; ".join(problems))

    @property
    def id(self) -> str:
        """SHA-256 of the record, by which results refer to it."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Return the record as JSON; equal content gives equal text."""
        content = {item.name: getattr(self, item.name) for item in fields(self)}
        content["labels"] = {str(label): name for label, name in sorted(self.labels.items())}
        if self.postprocessing is None:  # so that weights from before this field keep their id
            del content["postprocessing"]
        document = {"format_version": FORMAT_VERSION, **content}
        return json.dumps(document, ensure_ascii=False, sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, *, source: str) -> WeightsRecord:
        """Read and check a record.

        Args:
            text: JSON written by `to_json`.
            source: path of the file, for the message.

        Raises:
            InputError: the text is not JSON, has another format version, or has a field of the wrong type or range.
        """
        way_out = (
            "use the original file, or delete the record's entry to load the file like any weights without a record"
        )
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{source}: its record is not JSON ({error}); {way_out}") from error
        version = content.pop("format_version", None) if isinstance(content, dict) else None
        if type(version) is not int:
            raise InputError(f"{source}: its record has no format version; {way_out}")
        if version != FORMAT_VERSION:
            raise InputError(
                f"{source}: its record has format version {version}, expected {FORMAT_VERSION}: install the version of "
                "meddino that wrote the file, or a newer one"
            )
        if unknown := sorted(set(content) - {item.name for item in fields(cls)}):
            raise InputError(
                f"{source}: its record holds {unknown[0]!r:.60}, which is not a field of a record; {way_out}"
            )
        try:
            labels = {int(label): name for label, name in dict(content.get("labels", {})).items()}
            # sorted as numbers: as text, 10 comes before 2
            content["labels"] = dict(sorted(labels.items()))
            for name in ("channels", "parents", "licences"):
                content[name] = tuple(content.get(name, ()))
            return cls(**content)
        except (TypeError, ValueError) as error:
            raise InputError(f"{source}: its record is not valid: {error}; {way_out}") from error


def hash_of_case(case_id: str) -> str:
    """Return the hash by which a record identifies a case without naming it."""
    return hashlib.sha256(case_id.encode()).hexdigest()[:16]


def _problems(record: WeightsRecord) -> list[str]:
    """List the problems of a record, one line each."""
    found = []
    for item in fields(record):
        value = getattr(record, item.name)
        if item.name in _OPTIONAL and value is None:
            continue
        kind, expected = _KINDS[item.name]
        if not kind(value):
            found.append(f"{item.name} is {value!r:.80}, expected {expected}")
    if not found:
        for name, (allowed, expected) in _PLAN.items():
            if name in record.plan and not allowed(record.plan[name]):
                found.append(f"{name} is {record.plan[name]!r:.80}, expected {expected}")
        if unknown := set(record.plan) - set(_PLAN):
            found.append(f"plan holds {sorted(unknown)[0]!r:.60}, expected {', '.join(_PLAN)}")
    return found


def _is_plain(value: Any, depth: int = 0) -> bool:
    """Return whether a value is JSON: numbers, strings, lists and mappings of these, nested within bounds."""
    if value is None or isinstance(value, (bool, int, str)):
        return True
    if isinstance(value, float):
        return value == value and abs(value) != float("inf")
    if depth > _DEEPEST:
        return False
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(item, depth + 1) for key, item in value.items())
    return isinstance(value, (list, tuple)) and all(_is_plain(item, depth + 1) for item in value)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) and _is_plain(value)


def _is_network(value: Any) -> bool:
    return _is_mapping(value) and isinstance(value.get("_target_"), str)


def _is_labels(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        type(label) is int and 0 <= label <= _HIGHEST_LABEL and isinstance(name, str) for label, name in value.items()
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, str) for item in value)


def _is_regions(value: Any) -> bool:
    if not _is_mapping(value) or not isinstance(value.get("convention"), str):
        return False
    parts = [value.get(name) for name in ("names", "members", "written")]
    if not all(isinstance(part, Sequence) and not isinstance(part, str) and part for part in parts):
        return False
    names, members, written = (list(part) for part in parts if part is not None)
    return (
        len(names) == len(members) == len(written)
        and all(isinstance(name, str) for name in names)
        and all(_is_label(label) for labels in members for label in (labels if isinstance(labels, Sequence) else [""]))
        and all(_is_label(label) for label in written)
    )


def _is_postprocessing(value: Any) -> bool:
    return _is_mapping(value) and all(
        isinstance(steps, (list, tuple)) and all(isinstance(step, Mapping) and "step" in step for step in steps)
        for steps in value.values()
    )


def _is_label(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _HIGHEST_LABEL


def _is_modality(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(isinstance(text, str) for pair in value.items() for text in pair)
    return value in _MODALITIES


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and _is_plain(value)


def _is_pair(value: Any, kind: Callable[[Any], bool]) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(kind(item) for item in value)


def _is_side(value: Any) -> bool:
    return type(value) is int and 0 < value <= _LARGEST_SIDE_PX


_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "architecture": (_is_network, "a mapping with _target_"),
    "plan": (_is_mapping, "a mapping"),
    "labels": (_is_labels, f"names by number, 0 to {_HIGHEST_LABEL}"),
    "regions": (_is_regions, "convention, and equally many names, members and written"),
    "codes": (_is_mapping, "a mapping"),
    "channels": (_is_texts, "names"),
    "modality": (_is_modality, "'ct', 'mr', a modality for each channel, or null"),
    "data": (_is_mapping, "a mapping"),
    "seeds": (_is_mapping, "a mapping"),
    "software": (_is_mapping, "a mapping"),
    "parents": (lambda value: isinstance(value, tuple) and all(map(_is_mapping, value)), "mappings"),
    "licences": (_is_texts, "strings"),
    "metrics": (_is_mapping, "a mapping"),
    "bundle": (lambda value: isinstance(value, str) and value.isidentifier(), "a bundle's name"),
    "stage": (_is_mapping, "a mapping"),
    "export": (_is_mapping, "a mapping"),
    "postprocessing": (_is_postprocessing, "a list of steps by the name of each organ"),
}
_OPTIONAL = {"architecture", "regions", "codes", "modality", "bundle", "stage", "export", "postprocessing"}
_PLAN: dict[str, tuple[Callable[[Any], bool], str]] = {
    "pixdim": (
        lambda value: value is None or _is_pair(value, lambda side: _is_number(side) and side > 0),
        "two positive numbers (mm) or null",
    ),
    "roi_size": (lambda value: _is_pair(value, _is_side), f"two numbers of pixels up to {_LARGEST_SIDE_PX}"),
    "context_slices": (lambda value: type(value) is int and value in (1, 3), "1 or 3"),
    "fingerprint": (
        lambda value: value is None or (_is_mapping(value) and all(map(_is_number, value.values()))),
        "numbers by name, or null",
    ),
    "intensity_version": (lambda value: type(value) is int and value > 0, "a number from 1"),
    "resampling": (lambda value: value in ("bilinear", "cubic"), "'bilinear' or 'cubic'"),
    "background": (lambda value: value is None or _is_number(value), "a number or null"),
    "check_modality": (lambda value: isinstance(value, bool), "true or false"),
    "axcodes": (lambda value: isinstance(value, str) and len(value) == 3, "three letters, such as PLS"),
}
