"""The report as one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..pictures.page_view import PageView
from .case_scores import SURFACE_TOLERANCE_MM, OrganScore
from .report_figures import dice_plot, volume_plot
from .summary import ScoreSummary, case_means


@dataclass(frozen=True)
class RunFacts:
    """What is said about the run besides its scores. The counts are of cases; ``view`` is that of new pictures."""

    title: str
    settings: Mapping[str, Any]
    software: Mapping[str, str]
    model_sha256: str | None
    n_scored: int
    n_failed: int
    n_unscored: int
    view: PageView | None


@dataclass(frozen=True)
class _Picture:
    case_id: str
    dice: float
    heading: str
    png: str


def render_report(
    scores: Sequence[OrganScore], summary: ScoreSummary, facts: RunFacts, pictures: Mapping[str, Path], n_pictures: int
) -> str:
    """Put tables, plots and pictures into a page.

    Args:
        scores: of all cases.
        summary: of the same scores.
        facts: about the run.
        pictures: case id -> PNG of the comparison; cases without one are passed over.
        n_pictures: how many of the worst cases are shown, and how many of those round the median.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["number"] = _number
    means = case_means(scores)
    chosen = choose_cases({case_id: dice for case_id, dice in means.items() if case_id in pictures}, n_pictures)
    organs = list(summary.organs)
    page: str = environment.get_template("report.html").render(
        facts=facts,
        summary=summary,
        tolerance_mm=SURFACE_TOLERANCE_MM,
        plots={"dice": _data_uri(dice_plot(scores, organs)), "volume": _data_uri(volume_plot(scores, organs))},
        cases=[
            (case_id, means[case_id], _worst_organ(scores, case_id)) for case_id in sorted(means, key=means.__getitem__)
        ],
        pictures=[
            _Picture(case_id, means[case_id], heading, _data_uri(pictures[case_id].read_bytes()) or "")
            for case_id, heading in chosen.items()
        ],
    )
    return page


def choose_cases(means: Mapping[str, float], n: int) -> dict[str, str]:
    """The ``n`` worst cases and the ``n`` round the median that are not among them: case id -> "worst" or "median".

    Worst first, the median ones from low to high. With few cases there are fewer.
    """
    ranked = sorted(means, key=lambda case_id: (means[case_id], case_id))
    chosen = dict.fromkeys(ranked[:n], "worst")
    middle = (len(ranked) - 1) / 2
    others = sorted(range(min(n, len(ranked)), len(ranked)), key=lambda rank: abs(rank - middle))
    return chosen | {ranked[rank]: "median" for rank in sorted(others[:n])}


def _worst_organ(scores: Sequence[OrganScore], case_id: str) -> str:
    present = [s for s in scores if s.case_id == case_id and not math.isnan(s.dice)]
    worst = min(present, key=lambda s: s.dice)
    return f"{worst.organ} {worst.dice:.3f}"


def _number(value: float, digits: int = 3) -> str:
    """Fixed digits; a dash where there is no number."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def _data_uri(png: bytes | None) -> str | None:
    return None if png is None else "data:image/png;base64," + base64.b64encode(png).decode("ascii")
