"""The report on all folds: a page, a table of cases and a JSON file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..evaluation.case_scores_file import write_scores
from ..evaluation.comparison_pictures import ComparisonPictures
from ..evaluation.report_page import ReportTable, RunFacts, render_report
from ..evaluation.summary import ScoreSummary, mean_name, summarize, without_nan
from ..files import OutputFolder, write_text
from ..pictures.page_view import PageView
from ..probing.statistics.bootstrap import Bootstrap
from ..probing.statistics.intervals import Interval
from ..software import software_versions
from .fold import Fold
from .pooled import FoldScores, PooledScores

NAMES = ("report.html", "metrics.json", "metrics.csv")


def write_report(
    folder: OutputFolder, folds: Sequence[Fold], pooled: PooledScores, bootstrap: Bootstrap, *, title: str
) -> Path:
    """Write the report.

    Args:
        folder: folder that gets it.
        folds: folds, whose folders have the pictures of cases.
        pooled: scores of all folds.
        bootstrap: settings of the intervals.
        title: title of the page.

    Returns:
        The page.
    """
    settings = _settings(pooled, bootstrap)
    facts = RunFacts(
        title=title,
        settings=settings,
        software=software_versions(),
        model_sha256="a network for each fold, see the table of folds",
        n_scored=len(pooled.patients),
        n_failed=0,
        n_unscored=0,
        view=PageView(settings["axcodes"]) if "axcodes" in settings else None,
        tables=(_interval_table(pooled, bootstrap), _fold_table(pooled)),
    )
    drawing = ComparisonPictures()
    places = {
        case_id: fold.scores.parent
        for fold, found in zip(folds, pooled.folds, strict=True)
        for case_id in found.patients
    }
    pictures = {case_id: path for case_id, place in places.items() if (path := drawing.path(place, case_id)).exists()}
    page = render_report(pooled.scores, pooled.summary, facts, pooled.metrics, pictures, drawing.n_pictures)
    path = folder.path / "report.html"
    write_scores(folder.path / "metrics.csv", pooled.scores, [metric.name for metric in pooled.metrics])
    with folder.files() as files:
        text = json.dumps(without_nan(_document(pooled, facts)), indent=2, ensure_ascii=False)
        write_text(files.path(folder.path / "metrics.json"), text + "\n")
        write_text(files.path(path), page)
    return path


def _settings(pooled: PooledScores, bootstrap: Bootstrap) -> dict[str, Any]:
    """The settings that all evaluations share; what differs between folds is in the table of folds."""
    first, *others = [dict(fold.document["settings"]) for fold in pooled.folds]
    shared = {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
    return {
        **shared,
        "folds": len(pooled.folds),
        "intervals": f"95 % percentile intervals, {bootstrap.n_resamples} resamples of patients, seed {bootstrap.seed}",
    }


def _document(pooled: PooledScores, facts: RunFacts) -> dict[str, Any]:
    patients = pooled.patients
    document: dict[str, Any] = {
        "cases": {"scored": facts.n_scored, "failed": facts.n_failed, "unscored": facts.n_unscored},
        "patients": len(set(patients.values())),
        **pooled.summary.as_dict(),
        "intervals": {
            "organs": {
                organ: {name: asdict(one) for name, one in intervals.items()}
                for organ, intervals in pooled.of_organs.items()
            },
            **{mean_name(name): asdict(interval) for name, interval in pooled.means.items()},
        },
        "folds": [_fold_document(fold, pooled) for fold in pooled.folds],
        "settings": facts.settings,
        "software": facts.software,
    }
    return document


def _fold_document(fold: FoldScores, pooled: PooledScores) -> dict[str, Any]:
    means = {mean_name(name): value for name, value in _of_fold(fold, pooled).means.items()}
    network = {key: fold.document[key] for key in ("model_sha256", "record_id", "network")}
    return {"fold": fold.number, "cases": sorted(fold.patients), **means, **network}


def _of_fold(fold: FoldScores, pooled: PooledScores) -> ScoreSummary:
    return summarize(fold.scores, fold.organs, pooled.metrics)


def _interval_table(pooled: PooledScores, bootstrap: Bootstrap) -> ReportTable:
    n_patients = len(set(pooled.patients.values()))
    rows = [(organ, *_texts(pooled, intervals)) for organ, intervals in pooled.of_organs.items()]
    return ReportTable(
        title="Intervals",
        note=(
            f"Mean over cases with its 95 % interval by the bootstrap over {n_patients} patients "
            f"({bootstrap.n_resamples} resamples). There is no interval where too few resamples have the organ. The "
            "intervals show the spread between patients, not between trainings."
        ),
        headings=("organ", *(metric.heading for metric in pooled.metrics)),
        rows=(*rows, ("mean of organs", *_texts(pooled, pooled.means))),
    )


def _texts(pooled: PooledScores, intervals: Mapping[str, Interval]) -> Iterator[str]:
    for metric in pooled.metrics:
        found = intervals[metric.name]
        bounds = f" ({metric.text(found.low)} to {metric.text(found.high)})" if found.has_bounds else ""
        yield f"{metric.text(found.value)}{bounds}"


def _fold_table(pooled: PooledScores) -> ReportTable:
    rows = []
    for fold in pooled.folds:
        means = _of_fold(fold, pooled).means
        texts = [metric.text(means[metric.name]) for metric in pooled.metrics]
        counts = str(len(fold.patients)), str(len(set(fold.patients.values())))
        checkpoint = str(fold.document["settings"].get("network", "not stated"))
        rows.append((str(fold.number), *counts, *texts, checkpoint, str(fold.document["model_sha256"])[:16]))
    return ReportTable(
        title="Folds",
        note=(
            "Each network was evaluated on the cases of its own fold, which it was not trained on. If the network of "
            "the best validation was kept, it was chosen on these same cases, so its scores are slightly optimistic; "
            "keep_best_model False keeps the network of the last epoch."
        ),
        headings=("fold", "cases", "patients", *(f"mean {m.heading}" for m in pooled.metrics), "network", "SHA-256"),
        rows=tuple(rows),
    )
