"""Find the patient of a case, so that no patient is on both sides of a split."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import InputError

PATIENT_KEYS = ("patient", "patient_id")
# Names of several scans of a patient in public data sets and BIDS; the group is the patient. All other names, such as
# amos_0001, BraTS2021_00000 or BraTS20_Training_001, denote one patient each.
_SEVERAL_SCANS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # BraTS since 2022: collection, patient, time point, as in BraTS-GLI-00001-100
        r"(BraTS[-_](?:[A-Z]+[-_])+\d+)[-_]\d+(?!\d)",
        # BraTS 2017 to 2019: centre, patient, scan, as in BraTS19_TCIA01_131_1
        r"(BraTS1[5-9]_[A-Z0-9]+_[A-Z0-9]+)_\d+(?!\d)",
        # UCSF-PDGM-0429_FU003d is a later scan of UCSF-PDGM-0429
        r"(UCSF-PDGM-\d+)(?!\d)",
        # BIDS: sub-01_ses-02
        r"^(sub-[A-Z0-9]+)(?![A-Z0-9])",
        r"^(.+?)[-_](?:FU|follow-?up|time-?point|time|tp|visit|session|ses|week)[-_]?\d+[a-z]?(?:[-_]\d+)?$",
        r"^(.+?)[-_](?:pre|mid|post)[-_]?(?:RT|op)$",
    )
)


def patient_of(case: Mapping[str, Any]) -> str:
    """Return the patient of a case: item ``patient`` or ``patient_id``, else part of its name, else the case.

    Raises:
        InputError: ``patient`` and ``patient_id`` differ.

    Example:
        >>> patient_of({"case_id": "BraTS-MET-00012-001"})
        'BraTS-MET-00012'
        >>> patient_of({"case_id": "amos_0012"})
        'amos_0012'
        >>> patient_of({"case_id": "a", "patient_id": 7})
        '7'
    """
    name = str(case["case_id"])
    return stated_patient(case, f"case {name}").get("patient") or patient_of_name(name)


def patient_of_name(name: str) -> str:
    """Return the part of a case's name that denotes the patient; the whole name if no part is known to."""
    for pattern in _SEVERAL_SCANS:
        if match := pattern.search(name):
            return match[1]
    return name


def stated_patient(entry: Mapping[str, Any], where: str) -> dict[str, str]:
    """Return ``{"patient": ...}`` if an entry states one under either of `PATIENT_KEYS`, else an empty dict.

    Raises:
        InputError: both keys are present and differ.
    """
    found = {key: str(entry[key]).strip() for key in PATIENT_KEYS if entry.get(key) is not None}
    if len(set(found.values())) > 1:
        raise InputError(f"{where}: {' and '.join(f'{k} is {v!r}' for k, v in found.items())}. Remove one of them")
    return {"patient": next(iter(found.values()))} if any(found.values()) else {}


def shared_patients(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the patients with cases in both lists, sorted."""
    return sorted({patient_of(case) for case in first} & {patient_of(case) for case in second})
