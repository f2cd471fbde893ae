"""Pictures that set reference and prediction of a case side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..data.volumes.regions import Regions
from ..ignored_label import IGNORE
from ..inference.case_pictures import image_to_draw, in_region_colours, shown_numbers
from ..inference.label_map import label_path
from .case_scores import OrganScore
from .metrics import SegmentationMetric
from .scored_case import ScoredCase
from .summary import case_means


class ComparisonPictures:
    """Settings for the pictures of cases, and the number of them on the report's page.

    Args:
        window: (low, high) grey window in the preprocessed image's units; None is taken from the labelled voxels.
        n_pictures: number of worst cases on the page, and of cases around the median.
        channel_names: names of the image's channels.
        shown_channels: channels that are drawn; None draws the first.
        background: value of the image outside the patient, drawn black.

    Raises:
        InputError: ``shown_channels`` names a channel that the image lacks.
    """

    def __init__(
        self,
        *,
        window: Sequence[float] | None = None,
        n_pictures: int = 3,
        channel_names: Sequence[str] = ("image",),
        shown_channels: Sequence[str] | None = None,
        background: float | None = None,
    ) -> None:
        self.window = None if window is None else (float(window[0]), float(window[1]))
        self.n_pictures = n_pictures
        self.channels = shown_numbers(channel_names, shown_channels)
        self.background = background

    def path(self, output_dir: Path, case_id: str) -> Path:
        """Return the path of a case's picture."""
        return label_path(output_dir / "comparisons", case_id).with_name(f"{case_id}.png")

    def draw(
        self,
        path: Path,
        case: ScoredCase,
        scores: Sequence[OrganScore],
        metric: SegmentationMetric,
        regions: Regions | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        """Draw a case.

        Args:
            path: PNG to write.
            case: arrays of the case.
            scores: scores of the case; an organ or region without one was not annotated.
            metric: measure whose values the legend shows.
            regions: sets of labels that were scored.
            names: names of all organs or regions, in the order of the labels; None if each has a score.
        """
        from ..pictures.comparison import Legend, LegendLine, write_comparison  # needs matplotlib

        ignored = case.reference == IGNORE
        reference, prediction = (np.where(ignored, 0, labels) for labels in (case.reference, case.prediction))
        scored = {score.organ: score for score in scores}
        numbers: dict[str, Sequence[int]]
        if regions:
            reference, colours = in_region_colours(regions, reference)
            prediction, _ = in_region_colours(regions, prediction)
            numbers = {name: colours[k:] for k, name in enumerate(names or scored)}
        else:
            numbers = {name: (label,) for label, name in enumerate(names or scored, start=1)}
            drawn = {name for name, score in scored.items() if score.reference_ml or score.prediction_ml}
            drawn |= {name for name, (label,) in numbers.items() if name not in scored and (prediction == label).any()}
            numbers = {name: own for name, own in numbers.items() if name in drawn}
        lines = []
        for name, own in numbers.items():
            value = scored[name].values[metric.name] if name in scored else math.nan
            without = "absent" if name in scored else "not annotated"
            lines.append(LegendLine(own, name, metric.text(value), metric.rank(value), without))
        if ignored.any():
            reference, prediction = (np.where(ignored, IGNORE, labels) for labels in (reference, prediction))
            lines.append(LegendLine((IGNORE,), "not annotated", "", math.nan, ""))
        mean = case_means(scores, metric).get(case.case_id)
        write_comparison(
            path,
            image=image_to_draw({name: case.image[number] for name, number in self.channels.items()}),
            reference=reference.astype(np.uint8, copy=False),
            prediction=prediction.astype(np.uint8, copy=False),
            spacing_mm=case.spacing_mm,
            legend=Legend(metric.heading, lines),
            title=case.case_id + ("" if mean is None else f"   mean {metric.heading} {metric.text(mean)}"),
            window=self.window,
            background=self.background,
            axcodes=case.axcodes,
        )
