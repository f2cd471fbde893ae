"""The report as one HTML file that needs no other file."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..pictures.page_view import PageView
from .case_scores import OrganScore
from .metrics import SegmentationMetric
from .report_figures import score_plot, volume_plot
from .summary import ScoreSummary, case_means


@dataclass(frozen=True)
class ReportTable:
    """A further table of the page.

    Args:
        title: heading above the table.
        note: text below the heading.
        headings: headings of the columns.
        rows: texts of each row.
    """

    title: str
    note: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class RunFacts:
    """Facts about the run that the page shows besides its scores.

    Args:
        title: title of the page.
        settings: settings by name.
        software: versions by package.
        model_sha256: SHA-256 of the weights.
        n_scored: number of cases with scores.
        n_failed: number of cases that failed.
        n_unscored: number of cases that an earlier run segmented without scores.
        view: orientation of this run's pictures; None if it drew none.
        tables: further tables, shown below that of the organs.
    """

    title: str
    settings: Mapping[str, Any]
    software: Mapping[str, str]
    model_sha256: str | None
    n_scored: int
    n_failed: int
    n_unscored: int
    view: PageView | None
    tables: Sequence[ReportTable] = ()


@dataclass(frozen=True)
class _Picture:
    case_id: str
    value: float
    heading: str
    png: str


def render_report(
    scores: Sequence[OrganScore],
    summary: ScoreSummary,
    facts: RunFacts,
    metrics: Sequence[SegmentationMetric],
    pictures: Mapping[str, Path],
    n_pictures: int,
) -> str:
    """Put tables, plots and pictures into a page.

    Args:
        scores: scores of all cases.
        summary: summary of the same scores.
        facts: facts about the run.
        metrics: measures that the scores hold; the first one ranks cases.
        pictures: PNG of the comparison by case id; cases without one are passed over.
        n_pictures: number of worst cases shown, and of cases around the median.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["number"] = lambda value: "-" if value != value else f"{value:.1f}"
    ranking = metrics[0]
    means = case_means(scores, ranking)
    ranked = sorted(means, key=lambda case_id: (ranking.rank(means[case_id]), case_id))
    chosen = choose_cases([case_id for case_id in ranked if case_id in pictures], n_pictures)
    organs = list(summary.organs)
    plots = [(metric, _data_uri(score_plot(scores, organs, metric))) for metric in metrics]
    page: str = environment.get_template("report.html").render(
        facts=facts,
        # whether some organ was not annotated in every case
        partial=any(organ.n_annotated < facts.n_scored for organ in summary.organs.values()),
        summary=summary,
        metrics=metrics,
        ranking=ranking,
        plots=[(metric, plot) for metric, plot in plots if plot],
        volumes=_data_uri(volume_plot(scores, organs)),
        cases=[(case_id, means[case_id], _worst_organ(scores, case_id, ranking)) for case_id in ranked],
        pictures=[
            _Picture(case_id, means[case_id], heading, _data_uri(pictures[case_id].read_bytes()) or "")
            for case_id, heading in chosen.items()
        ],
    )
    return page


def choose_cases(ranked: Sequence[str], n: int) -> dict[str, str]:
    """The ``n`` worst cases and the ``n`` around the median that are not among them: case id -> "worst" or "median".

    Args:
        ranked: case ids, the worst first.
        n: number of each; with few cases there are fewer.
    """
    chosen = dict.fromkeys(ranked[:n], "worst")
    middle = (len(ranked) - 1) / 2
    others = sorted(range(min(n, len(ranked)), len(ranked)), key=lambda rank: abs(rank - middle))
    return chosen | {ranked[rank]: "median" for rank in sorted(others[:n])}


def _worst_organ(scores: Sequence[OrganScore], case_id: str, metric: SegmentationMetric) -> str:
    values = {s.organ: s.values[metric.name] for s in scores if s.case_id == case_id}
    worst = min((organ for organ, value in values.items() if value == value), key=lambda o: metric.rank(values[o]))
    return f"{worst} {metric.text(values[worst])}"


def _data_uri(png: bytes | None) -> str | None:
    return None if png is None else "data:image/png;base64," + base64.b64encode(png).decode("ascii")
