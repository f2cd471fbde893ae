"""Draw the overlay of a case: its labels on the scan, with the volumes of organs and regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.volumes.regions import Regions
from ..pictures.overlay import write_overlay
from .case_pictures import DrawnCase, image_to_draw, in_region_colours


def write_case_overlay(
    path: Path,
    case: DrawnCase,
    report: Mapping[str, Any],
    *,
    regions: Regions | None,
    window: tuple[float, float] | None,
    background: float | None,
) -> None:
    """Write the PNG.

    Args:
        path: PNG to write.
        case: images and labels of the case.
        report: content of ``<case_id>.json``; its "organs" and "regions" have the volumes.
        regions: sets of labels, which are drawn in colours of their own.
        window: (low, high) grey window in the units of the images; None is taken from the labelled voxels.
        background: value of the images outside the patient, drawn black.
    """
    labels = case.labels
    organs = {o["label"]: (name, o["volume_ml"]) for name, o in report["organs"].items()}
    entries: list[tuple[Sequence[int], str, float]] = []
    if regions is not None:
        labels, organs, entries = _with_regions(regions, labels, organs, report["regions"])
    write_overlay(
        path,
        image=image_to_draw(case.images),
        labels=labels,
        spacing_mm=case.spacing_mm,
        organs=organs,
        title=case.case_id,
        window=window,
        background=background,
        regions=entries,
        axcodes=case.axcodes,
    )


def _with_regions(
    regions: Regions,
    labels: NDArray[np.uint8],
    organs: Mapping[int, tuple[str, float]],
    volumes: Mapping[str, Mapping[str, Any]],
) -> tuple[NDArray[np.uint8], dict[int, tuple[str, float]], list[tuple[Sequence[int], str, float]]]:
    """Return labels, tissues and regions, all numbered by the colours of regions."""
    drawn, numbers = in_region_colours(regions, labels)
    tissues = {number: organs[label] for number, label in zip(numbers, regions.written, strict=True)}
    entries = [(numbers[k:], name, float(volumes[name]["volume_ml"])) for k, name in enumerate(regions.names)]
    # the innermost region is the same as its tissue
    return drawn, tissues, [entry for entry in entries if len(entry[0]) > 1]
