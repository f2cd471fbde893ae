"""Handler that scores each case of an evaluation and reports on all of them at the end."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import monai
import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents

from .. import __version__
from ..data.volumes.regions import Regions
from ..errors import InputError
from ..files import OutputFolder, write_text
from ..ignored_label import IGNORE
from ..pictures.page_view import PageView
from ..wording import counted
from .case_scores import OrganScore, score_case
from .case_scores_file import read_scores, write_scores
from .comparison_pictures import ComparisonPictures
from .evaluated_model import EvaluatedModel
from .metrics import PUBLISHED_METRICS, AbsentRule, SegmentationMetric, check_metrics
from .report_extra import check_report_extra
from .scored_case import scored_case
from .summary import ScoreSummary, mean_name, summarize

_FILES = ("metrics.csv", "metrics.json", "report.html")

_logger = logging.getLogger(__name__)


class SegmentationReport:
    """Scores and volumes of every organ and case, as tables, pictures and a page to read.

    Attach it to ``CaseEvaluator`` (or another MONAI evaluator) through ``val_handlers``. A case is scored when its
    postprocessing is done, within the iteration, so that ``CaseEvaluator`` records a case that cannot be scored as
    failed and continues with the next. It reads ``pred``, ``label`` and ``image`` of ``state.output``, and ``case_id``
    and (if the case has it) ``annotated`` of ``state.batch`` or of the output. A prediction that was inverted to the
    source's orientation is brought back onto the label's grid.

    It writes to ``output_dir``, each file complete or not at all:

    - ``metrics.csv``: one row per case and organ that was annotated in it, after every case, so that an interrupted run
      keeps what it has. A run with ``skip_existing`` takes the rows of skipped cases from it.
    - ``comparisons/<case_id>.png``: reference and prediction, after every case.
    - ``metrics.json``: numbers per organ and overall by the rule of ``summarize``, settings, software.
    - ``report.html``: the same with plots and the pictures of the worst and median cases, in one file.

    At the end of the epoch ``state.metrics`` gets ``mean_<metric>`` for each metric whose mean is a number: list this
    handler before those that log them.

    Args:
        output_dir: folder of the results, made when missing.
        label_names: names by label, background first; not used with ``regions``.
        metrics: measures to report, see `SegmentationMetric`; the first one ranks cases.
        regions: sets of labels to score in place of each label.
        absent: what a case counts for an organ that its reference lacks; None takes what was published.
        title: title of the page.
        pictures: settings for the pictures of cases; None for the defaults of `ComparisonPictures`.
        model: the weights that are evaluated; None states nothing about them.
        overwrite: whether results that were edited since they were written may be replaced.

    Raises:
        InputError: matplotlib or jinja2 is not installed, or names recur; at the start: a file there may not be
            replaced; for a case: it has no label, scores in place of labels, another grid, an orientation that is none
            of `SLICE_PLANES`, or a label without a name.
    """

    def __init__(
        self,
        *,
        output_dir: str | Path,
        label_names: Sequence[str] | Mapping[int, str],
        metrics: Sequence[SegmentationMetric] = PUBLISHED_METRICS,
        regions: Regions | None = None,
        absent: AbsentRule | None = None,
        title: str = "Segmentation",
        pictures: ComparisonPictures | None = None,
        model: EvaluatedModel | None = None,
        overwrite: bool = False,
    ) -> None:
        check_report_extra()
        names = ["background", *regions.names] if regions else label_names
        self.label_names = [str(name) for name in (names.values() if isinstance(names, Mapping) else names)]
        if not 2 <= len(self.label_names) == len(set(self.label_names)) <= IGNORE:
            raise InputError(f"label_names is {self.label_names}; expected background and organs, each once")
        self.output_dir = Path(output_dir)
        self.folder = OutputFolder(output_dir, overwrite=overwrite)
        self.metrics = check_metrics(metrics)
        self.regions, self.title = regions, title
        self.absent = absent or AbsentRule.published(of_regions=regions is not None)
        self.pictures, self.model = pictures or ComparisonPictures(), model or EvaluatedModel()
        self._scores: dict[str, list[OrganScore]] = {}
        self._earlier: dict[str, list[OrganScore]] = {}
        self._axcodes: str | None = None

    def attach(self, engine: Engine) -> None:
        """Score after each case's postprocessing, report at the end."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self._score_batch)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._set_metrics)
        engine.add_event_handler(Events.COMPLETED, self._report)

    def _start(self, engine: Engine) -> None:
        self._scores, self._earlier = {}, {}
        cases = getattr(getattr(engine, "dataset", None), "data", [])
        pictures = [
            self.pictures.path(self.output_dir, str(case["case_id"])).relative_to(self.output_dir) for case in cases
        ]
        self.folder.check([*_FILES, *map(str, pictures)])
        if getattr(engine, "skip_existing", False):
            for score in read_scores(self._table, self.label_names, self._metric_names()):
                self._earlier.setdefault(score.case_id, []).append(score)

    def _score_batch(self, engine: Engine) -> None:
        for case, output in zip(engine.state.batch, engine.state.output, strict=True):
            self._score({**case, **output})

    def _score(self, values: Mapping[str, Any]) -> None:
        case = scored_case(values)
        picture = self.pictures.path(self.output_dir, case.case_id)
        scores = score_case(
            case.prediction,
            case.reference,
            spacing_mm=case.spacing_mm,
            label_names=self.label_names,
            case_id=case.case_id,
            metrics=self.metrics,
            regions=self.regions,
            absent=self.absent,
            annotated=values.get("annotated"),
        )
        picture.parent.mkdir(parents=True, exist_ok=True)
        with self.folder.files() as files:
            self.pictures.draw(files.path(picture), case, scores, self.metrics[0], self.regions, self.label_names[1:])
        self._scores[case.case_id], self._axcodes = scores, case.axcodes
        self._write_table(_flat({**self._earlier, **self._scores}))

    def _write_table(self, scores: Sequence[OrganScore]) -> None:
        write_scores(self._table, scores, self._metric_names(), overwrite=self.folder.overwrite)

    @property
    def _table(self) -> Path:
        return self.output_dir / "metrics.csv"

    def _metric_names(self) -> list[str]:
        return [metric.name for metric in self.metrics]

    def _set_metrics(self, engine: Engine) -> None:
        """Show the means to loggers; those that are not numbers are left out."""
        means = self._summary(self._final(engine)).means
        engine.state.metrics.update({mean_name(name): mean for name, mean in means.items() if math.isfinite(mean)})

    def _report(self, engine: Engine) -> None:
        from .report_page import RunFacts, render_report  # needs matplotlib and jinja2

        final = self._final(engine)
        scores, summary = _flat(final), self._summary(final)
        facts = RunFacts(
            title=self.title,
            settings=self._settings(),
            software={"meddino": __version__, "monai": monai.__version__, "torch": torch.__version__},
            model_sha256=self.model.weights_sha256,
            n_scored=len(final),
            n_failed=len(_case_ids(engine, "failed")),
            n_unscored=len(set(_case_ids(engine, "skipped")) - set(final)),
            view=None if self._axcodes is None else PageView(self._axcodes),
        )
        pictures = {
            case_id: path for case_id in final if (path := self.pictures.path(self.output_dir, case_id)).exists()
        }
        document: dict[str, Any] = {
            "cases": {"scored": facts.n_scored, "failed": facts.n_failed, "unscored": facts.n_unscored}
        }
        document |= summary.as_dict()
        document |= {"settings": facts.settings, "software": facts.software, "model_sha256": facts.model_sha256}
        selection = dict(self.model.selection) if self.model.selection else None
        document |= {"record_id": self.model.record_id, "network": selection}
        if self.model.members:
            document["members"] = list(self.model.members)
        page = render_report(scores, summary, facts, self.metrics, pictures, self.pictures.n_pictures)
        self.output_dir.mkdir(parents=True, exist_ok=True)
        self._write_table(scores)
        with self.folder.files() as files:
            text = json.dumps(document, indent=2, ensure_ascii=False)
            write_text(files.path(self.output_dir / "metrics.json"), text + "\n")
            write_text(files.path(self.output_dir / "report.html"), page)
        first = self.metrics[0]
        mean = f"mean {first.heading} {summary.means[first.name]:.4f}"
        _logger.info("%s over %s; %s", mean, counted(len(final), "case"), self.output_dir / "report.html")

    def _final(self, engine: Engine) -> dict[str, list[OrganScore]]:
        """Scores of this run's cases, and of the cases that it skipped from an earlier run; no others."""
        skipped = _case_ids(engine, "skipped")
        return {case_id: self._earlier[case_id] for case_id in skipped if case_id in self._earlier} | self._scores

    def _summary(self, scores: Mapping[str, list[OrganScore]]) -> ScoreSummary:
        return summarize(_flat(scores), self.label_names[1:], self.metrics)

    def _settings(self) -> dict[str, Any]:
        missed = self._of_empty(predicted=False, expected=True)
        absent, predicted = (self._of_empty(predicted=one, expected=False) for one in (False, True))
        return {
            **self.model.settings(),
            **({"regions": dict(zip(self.regions.names, self.regions.members, strict=True))} if self.regions else {}),
            "metrics": ", ".join(metric.heading for metric in self.metrics),
            "cases_that_count": self.absent.in_words,
            "absent_from_reference": absent if absent == predicted else f"{absent}; if predicted, {predicted}",
            "missed": missed,
            "averaging": "over cases, then over organs",
        }

    def _of_empty(self, *, predicted: bool, expected: bool) -> str:
        """Return in words what an empty mask gets."""
        values = [m.of_empty(predicted=predicted, expected=expected, absent=self.absent) for m in self.metrics]
        if all(map(math.isnan, values)):
            return "the case does not count"
        return ", ".join(
            f"{metric.heading} {value:.5g}" if math.isfinite(value) else f"left out of {metric.heading}"
            for metric, value in zip(self.metrics, values, strict=True)
        )


def _case_ids(engine: Engine, status: str) -> list[str]:
    """Cases with this status in the summary of a ``CaseEvaluator``; none of another engine."""
    summary = getattr(engine, "summary", None)
    return [case.case_id for case in summary.cases if case.status == status] if summary is not None else []


def _flat(scores: Mapping[str, list[OrganScore]]) -> list[OrganScore]:
    return [score for case_id in sorted(scores) for score in scores[case_id]]
