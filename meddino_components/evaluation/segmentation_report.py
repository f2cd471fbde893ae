"""Handler that scores each case of an evaluation and reports on all of them at the end."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import monai
import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.data import MetaTensor
from monai.engines.utils import IterationEvents
from numpy.typing import NDArray

from .. import __version__
from ..data.volumes.grids import as_on_grid
from ..data.volumes.regions import Regions
from ..errors import InputError
from ..files import OutputFolder, write_text
from ..inference.writers import label_path, shown_numbers
from ..pictures.overlay import region_labels
from ..pictures.page_view import PageView, axcodes_of
from ..project import extra
from ..slice_planes import PLANES_IN_WORDS, SLICE_PLANES
from .case_scores import HAUSDORFF_PERCENTILE, SURFACE_TOLERANCE_MM, WORST_DISTANCE_MM, OrganScore, score_case
from .case_scores_file import read_scores, write_scores
from .summary import ScoreSummary, case_means, summarize

_FILES = ("metrics.csv", "metrics.json", "report.html")

_logger = logging.getLogger(__name__)


class SegmentationReport:
    """Dice, surface Dice, HD95 and volumes of every organ and case, as tables, pictures and a page to read.

    Attach it to ``CaseEvaluator`` (or another MONAI evaluator) through ``val_handlers``. A case is scored when its
    postprocessing is done, within the iteration, so that ``CaseEvaluator`` records a case that cannot be scored as
    failed and goes on. Read are ``pred``, ``label`` and ``image`` of ``state.output`` and ``case_id`` of
    ``state.batch`` (or of the output). A prediction that was inverted to the source's orientation is brought back onto
    the label's grid.

    Written to ``output_dir``, each file complete or not at all:

    - ``metrics.csv``: a row an organ and case, after every case, so that a killed run keeps what it has. A run with
      ``skip_existing`` takes the rows of skipped cases from it.
    - ``comparisons/<case_id>.png``: reference and prediction, after every case.
    - ``metrics.json``: per organ and overall numbers by the rule of ``summarize``, settings, software.
    - ``report.html``: the same with plots and the worst and median cases' pictures, in one file.

    At the end of the epoch ``state.metrics`` gets ``mean_dice``, ``mean_surface_dice`` and ``mean_hd95_mm`` (those
    that are numbers): list this handler before those that log them.

    Args:
        output_dir: made when missing.
        label_names: names by label, background first; with ``regions`` not looked at.
        distance_metrics: compute HD95 and surface Dice, too.
        title: of the page.
        model_sha256: of the weights, to be recorded.
        record_id: of their record, the same.
        window: (low, high) grey window of the pictures in the preprocessed image's units; None is taken from the
            labelled voxels.
        n_pictures: of the worst cases in the page, and of those round the median.
        regions: score these sets of labels, not each label, and count empty ones by BraTS's rule (see `OrganScore`).
        channel_names: names of the image's channels.
        shown_channels: those that are drawn; None draws the first.
        background: value of the image outside the patient, drawn black.
        overwrite: replace results that were edited since, too.
        network: which network of its training was evaluated, see `ModelSettings.selection`; None: not stated.
        inference: settings by which labels were made, to be recorded.

    Raises:
        InputError: matplotlib or jinja2 is not installed, names recur; at the start: a file there may not be replaced;
            for a case: no label, class scores in place of
            labels, another grid, an orientation that is none of `SLICE_PLANES`, a label without a name.
    """

    def __init__(
        self,
        *,
        output_dir: str | Path,
        label_names: Sequence[str] | Mapping[int, str],
        distance_metrics: bool = True,
        title: str = "Segmentation",
        model_sha256: str | None = None,
        record_id: str | None = None,
        window: Sequence[float] | None = None,
        n_pictures: int = 3,
        regions: Regions | None = None,
        channel_names: Sequence[str] = ("image",),
        shown_channels: Sequence[str] | None = None,
        background: float | None = None,
        overwrite: bool = False,
        network: Mapping[str, Any] | None = None,
        inference: Mapping[str, Any] | None = None,
    ) -> None:
        missing = [name for name in ("jinja2", "matplotlib") if find_spec(name) is None]
        if missing:
            raise InputError(f"the report needs {' and '.join(missing)}: {extra('report')}")
        names = ["background", *regions.names] if regions else label_names
        self.label_names = [str(name) for name in (names.values() if isinstance(names, Mapping) else names)]
        if (
            len(self.label_names) < 2
            or len(set(self.label_names)) < len(self.label_names)
            or len(self.label_names) > 256
        ):
            raise InputError(f"label_names is {self.label_names}; expected background and organs, each once")
        self.output_dir = Path(output_dir)
        self.folder = OutputFolder(output_dir, overwrite=overwrite)
        self.distance_metrics = distance_metrics
        self.title = title
        self.model_sha256, self.record_id = model_sha256, record_id
        self.window = None if window is None else (float(window[0]), float(window[1]))
        self.n_pictures = n_pictures
        self.regions, self.background = regions, background
        self.channels = shown_numbers(channel_names, shown_channels)
        self.network, self.inference = dict(network or {}), dict(inference or {})
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
        pictures = [self._picture_path(str(case["case_id"])).relative_to(self.output_dir) for case in cases]
        self.folder.check([*_FILES, *map(str, pictures)])
        if getattr(engine, "skip_existing", False):
            for score in read_scores(self.output_dir / "metrics.csv", self.label_names):
                self._earlier.setdefault(score.case_id, []).append(score)

    def _score_batch(self, engine: Engine) -> None:
        for case, output in zip(engine.state.batch, engine.state.output, strict=True):
            self._score({**case, **output})

    def _score(self, case: Mapping[str, Any]) -> None:
        case_id = str(case.get("case_id", ""))
        picture = self._picture_path(case_id)
        label = case.get("label")
        if not isinstance(label, MetaTensor):
            raise InputError(f"case {case_id}: has no label to compare with. Evaluate cases with a reference")
        axcodes = axcodes_of(label.affine.cpu().numpy())
        if axcodes not in SLICE_PLANES:
            raise InputError(
                f"case {case_id}: the label has orientation {axcodes}; expected {PLANES_IN_WORDS}, by which the "
                "pictures are drawn. Put Orientationd with one of these axcodes into the preprocessing"
            )
        reference, prediction = (_on_grid(case[key], label, case_id, key)[0] for key in ("label", "pred"))
        image = _on_grid(case["image"], label, case_id, "image")
        spacing_mm = [float(s) for s in np.linalg.norm(label.affine.cpu().numpy()[:3, :3], axis=0)]
        scores = score_case(
            prediction,
            reference,
            spacing_mm=spacing_mm,
            label_names=self.label_names,
            case_id=case_id,
            distance_metrics=self.distance_metrics,
            regions=self.regions,
            count_empty=self.regions is not None,
        )
        self.output_dir.mkdir(parents=True, exist_ok=True)
        self._draw(picture, image, reference, prediction, spacing_mm, scores, axcodes)
        self._scores[case_id], self._axcodes = scores, axcodes
        write_scores(
            self.output_dir / "metrics.csv", _flat({**self._earlier, **self._scores}), overwrite=self.folder.overwrite
        )

    def _picture_path(self, case_id: str) -> Path:
        folder = self.output_dir / "comparisons"
        return label_path(folder, case_id).with_name(f"{case_id}.png")

    def _draw(
        self,
        path: Path,
        image: NDArray[Any],
        reference: NDArray[Any],
        prediction: NDArray[Any],
        spacing_mm: Sequence[float],
        scores: Sequence[OrganScore],
        axcodes: str,
    ) -> None:
        from ..pictures.comparison import write_comparison  # needs matplotlib

        dice = case_means(scores).get(scores[0].case_id)
        if self.regions:
            colours = region_labels(len(scores))
            table = np.array((0, *colours), np.uint8)
            reference, prediction = (table[self.regions.innermost(labels)] for labels in (reference, prediction))
            organs = [(colours[k:], s.organ, s.dice) for k, s in enumerate(scores)]
        else:
            found = [(label, s) for label, s in enumerate(scores, start=1) if s.reference_ml or s.prediction_ml]
            organs = [((label,), s.organ, s.dice) for label, s in found]
        path.parent.mkdir(exist_ok=True)
        with self.folder.files() as files:
            write_comparison(
                files.path(path),
                image={name: image[k] for name, k in self.channels.items()} if len(self.channels) > 1 else image[0],
                reference=reference.astype(np.uint8, copy=False),
                prediction=prediction.astype(np.uint8, copy=False),
                spacing_mm=spacing_mm,
                organs=organs,
                title=scores[0].case_id + ("" if dice is None else f"   mean Dice {dice:.3f}"),
                window=self.window,
                background=self.background,
                axcodes=axcodes,
            )

    def _set_metrics(self, engine: Engine) -> None:
        """What loggers show; means that are not numbers are left out."""
        summary = self._summary(self._final(engine))
        for name in ("mean_dice", "mean_surface_dice", "mean_hd95_mm"):
            if math.isfinite(value := getattr(summary, name)):
                engine.state.metrics[name] = value

    def _report(self, engine: Engine) -> None:
        from .report_page import RunFacts, render_report  # needs matplotlib and jinja2

        final = self._final(engine)
        scores, summary = _flat(final), self._summary(final)
        facts = RunFacts(
            title=self.title,
            settings=self._settings(),
            software={"meddino": __version__, "monai": monai.__version__, "torch": torch.__version__},
            model_sha256=self.model_sha256,
            n_scored=len(final),
            n_failed=len(_case_ids(engine, "failed")),
            n_unscored=len(set(_case_ids(engine, "skipped")) - set(final)),
            view=None if self._axcodes is None else PageView(self._axcodes),
        )
        pictures = {case_id: path for case_id in final if (path := self._picture_path(case_id)).exists()}
        document: dict[str, Any] = {
            "cases": {"scored": facts.n_scored, "failed": facts.n_failed, "unscored": facts.n_unscored}
        }
        document |= summary.as_dict()
        document |= {"settings": facts.settings, "software": facts.software, "model_sha256": facts.model_sha256}
        document |= {"record_id": self.record_id, "network": self.network or None}
        page = render_report(scores, summary, facts, pictures, self.n_pictures)
        self.output_dir.mkdir(parents=True, exist_ok=True)
        write_scores(self.output_dir / "metrics.csv", scores, overwrite=self.folder.overwrite)
        with self.folder.files() as files:
            text = json.dumps(document, indent=2, ensure_ascii=False)
            write_text(files.path(self.output_dir / "metrics.json"), text + "\n")
            write_text(files.path(self.output_dir / "report.html"), page)
        _logger.info("mean Dice %.4f over %d cases; %s", summary.mean_dice, len(final), self.output_dir / "report.html")

    def _final(self, engine: Engine) -> dict[str, list[OrganScore]]:
        """Scores of this run's cases, those of skipped ones from an earlier run; of no other case."""
        skipped = _case_ids(engine, "skipped")
        return {case_id: self._earlier[case_id] for case_id in skipped if case_id in self._earlier} | self._scores

    def _summary(self, scores: Mapping[str, list[OrganScore]]) -> ScoreSummary:
        return summarize(_flat(scores), self.label_names[1:])

    def _settings(self) -> dict[str, Any]:
        absent, missed = "case does not count for the organ", "Dice and surface Dice 0, left out of HD95"
        if self.regions:
            absent = f"Dice 1 and HD95 0 where nothing is predicted, else Dice 0 and HD95 {WORST_DISTANCE_MM:.2f} mm"
            missed = f"Dice 0 and HD95 {WORST_DISTANCE_MM:.2f} mm"
        return {
            "network": _of_training(self.network),
            **{name: value for name, value in self.inference.items() if not name.startswith("_")},
            **({"regions": dict(zip(self.regions.names, self.regions.members, strict=True))} if self.regions else {}),
            "distance_metrics": self.distance_metrics,
            "surface_tolerance_mm": SURFACE_TOLERANCE_MM,
            "hausdorff_percentile": HAUSDORFF_PERCENTILE,
            "absent_from_reference": absent,
            "missed": missed,
            "averaging": "over cases, then over organs",
        }


def _of_training(network: Mapping[str, Any]) -> str:
    """Which network of its training was evaluated, in words."""
    measured = ", ".join(f"{name} {value:.4g}" for name, value in network.items() if isinstance(value, float))
    if network.get("kept") == "best":
        return f"of the best validation of its training ({measured}), after epoch {network.get('epoch')}"
    if network.get("kept") == "last":
        return f"of the end of its training, after epoch {network.get('epoch')}"
    return "which one of its training, the weights do not say"


def _on_grid(volume: Any, label: MetaTensor, case_id: str, key: str) -> NDArray[Any]:
    """A volume as an array [C, H, W, D] on the label's grid.

    Raises:
        InputError: no ``MetaTensor``, several channels (but of an image), or other voxels than the label's.
    """
    if not isinstance(volume, MetaTensor) or volume.ndim != 4 or (volume.shape[0] != 1 and key != "image"):
        found = f"{type(volume).__name__} {tuple(getattr(volume, 'shape', ()))}"
        raise InputError(f"case {case_id}: '{key}' is {found}; expected a MetaTensor [1, H, W, D], labels not scores")
    affine, target = (np.asarray(v.affine.cpu(), dtype=np.float64) for v in (volume, label))
    try:
        channels = np.moveaxis(volume.as_tensor().cpu().numpy(), 0, -1)
        return np.moveaxis(as_on_grid(channels, affine, target, tuple(label.shape[1:])), -1, 0)
    except InputError as error:
        raise InputError(f"case {case_id}: '{key}' and 'label' lie on different grids: {error}") from error


def _case_ids(engine: Engine, status: str) -> list[str]:
    """Cases of this status in the summary of a ``CaseEvaluator``; of other engines none."""
    summary = getattr(engine, "summary", None)
    return [case.case_id for case in summary.cases if case.status == status] if summary is not None else []


def _flat(scores: Mapping[str, list[OrganScore]]) -> list[OrganScore]:
    return [score for case_id in sorted(scores) for score in scores[case_id]]
