"""Normalise intensities by one versioned table, shared by pretraining, fine-tuning and inference.

A data set's fingerprint, which `plan` writes, takes the place of the row for CT.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import InputError

# CT: the statistics of the data that MedDINOv3 was pretrained on, in HU.
# MR has no units: percentiles and moments come from each volume (see `mr_statistics`). If the background is marked, as
# in skull-stripped brains, they come from each channel inside the patient (see `marked_mr_statistics`).
INTENSITY_TABLE: dict[str, Any] = {
    "version": 1,
    "ct": {"clip": (-1000.0, 1000.0), "mean": 65.1084213, "std": 178.0166321},
    "mr": {"percentiles": (0.5, 99.5), "foreground": "above the mean"},
    "mr with marked background": {"percentiles": (0.5, 99.5), "foreground": "any channel differs from the background"},
}
FINGERPRINT_KEYS = ("percentile_00_5", "percentile_99_5", "mean", "std")


def stated_fingerprint(fingerprint: Mapping[str, float] | None) -> Mapping[str, float]:
    """Return the fingerprint of a configuration that requires one.

    Raises:
        InputError: there is no fingerprint.
    """
    if fingerprint is None:
        raise InputError(
            "fingerprint is null, but this configuration normalises by the data set's statistics. Compute them with "
            "`python -m meddino_components plan DATASET_DIR LAYOUT --output plan.json`, and pass plan.json as the "
            "last --config_file"
        )
    return fingerprint


def parse_fingerprint(fingerprint: Mapping[str, float]) -> dict[str, float]:
    missing = [k for k in FINGERPRINT_KEYS if k not in fingerprint]
    if missing:
        raise InputError(f"fingerprint lacks {', '.join(missing)}; expected {', '.join(FINGERPRINT_KEYS)} (see plan).")
    values = {k: float(fingerprint[k]) for k in FINGERPRINT_KEYS}
    if not (values["percentile_00_5"] < values["percentile_99_5"] and values["std"] > 0):
        raise InputError(f"fingerprint is {values}; expected percentile_00_5 < percentile_99_5 and std > 0.")
    return values
