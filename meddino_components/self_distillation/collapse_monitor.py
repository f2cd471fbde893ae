"""Watch for collapse, in which features or assignments become the same for all images."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents

from ..processes import rank_and_size
from ..training.iteration_lines import forget_metrics
from .collapse_measures import PrototypeUse, agreement, cosine_agreement, effective_rank, evenly, prototype_use
from .student_teacher import SelfDistillationOutputs

logger = logging.getLogger(__name__)

_PREFIX = "monitor/"
_KINDS = {"cls": "images", "patch": "patches"}


class CollapseMonitor:
    """Handler of `SelfDistillationTrainer`: measures of collapse as metrics, and warnings.

    These metrics cover all processes. They exist only in the iterations at which they are measured, so that no line of
    a log repeats an old value:

    - ``monitor/cls_effective_rank`` of the teacher's CLS tokens, ``monitor/patch_effective_rank`` of the student's
      patch tokens (a step does not keep the teacher's, which follow the student's);
    - ``monitor/<kind>_prototypes_used`` as a share of the possible number, min(rows, prototypes), and
      ``monitor/<kind>_prototype_perplexity``, of the teacher's choices; <kind> is ``cls`` or ``patch`` (masked
      patches);
    - ``monitor/<kind>_entropy`` and ``monitor/<kind>_entropy_of_mean`` of the teacher's softmax, in nats, see
      `prototype_use`;
    - ``monitor/agreement``, ``monitor/cosine_agreement`` of student and teacher on different global crops of an image.

    Once a measure is beyond its bound ``patience`` times in a row, a warning says what was measured and what to do. It
    is repeated only after the measure has recovered in between. A network with random weights looks collapsed, too, so
    the first ``warn_after`` iterations give no warning.

    Args:
        interval: number of iterations between measurements.
        warn_after: number of iterations without warnings.
        patience: number of consecutive measurements beyond the bound before a warning.
        min_rank_share: lower bound of the effective rank, as a share of min(rows, width); at least a rank of 1.2.
        min_used: lower bound of the share of prototypes used; a single one is always too few.
        min_information: lower bound of entropy of mean - entropy, in nats.
        max_rows: largest number of rows per process for effective rank and entropies.

    Raises:
        ValueError: interval or patience is below 1.
    """

    def __init__(
        self,
        *,
        interval: int = 100,
        warn_after: int = 1000,
        patience: int = 3,
        min_rank_share: float = 0.02,
        min_used: float = 0.02,
        min_information: float = 0.05,
        max_rows: int = 2048,
    ) -> None:
        if min(interval, patience) < 1:
            raise ValueError(f"interval and patience must be at least 1, got {interval} and {patience}")
        self.interval, self.warn_after, self.patience, self.max_rows = interval, warn_after, patience, max_rows
        self.min_rank_share, self.min_used, self.min_information = min_rank_share, min_used, min_information
        self._times: dict[str, int] = {}

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_STARTED, forget_metrics, _PREFIX)
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self)

    @torch.no_grad()
    def __call__(self, engine: Engine) -> None:
        # not ignite's every=n, which counts calls: a resumed run must measure at the same iterations as an
        # uninterrupted one
        if engine.state.iteration % self.interval:
            return
        outputs: SelfDistillationOutputs = engine.state.outputs
        temperature = engine.state.objective_settings["teacher_temp"]
        metrics: dict[str, float] = {}
        troubles: dict[str, str] = {}
        for kind, rows, logits in (
            ("cls", outputs.teacher_cls.flatten(0, 1), outputs.teacher_cls_logits.flatten(0, 1)),
            ("patch", outputs.student_patches.flatten(0, 1), outputs.teacher_patch_logits),
        ):
            rows = evenly(rows, self.max_rows)
            rank = effective_rank(rows)
            use = prototype_use(logits, temperature=temperature, max_rows=self.max_rows)
            possible = min(use.rows, logits.shape[1])
            metrics[f"{kind}_effective_rank"] = rank
            metrics[f"{kind}_prototypes_used"] = use.used / possible if possible else math.nan
            metrics[f"{kind}_prototype_perplexity"] = use.perplexity
            metrics[f"{kind}_entropy"] = use.entropy
            metrics[f"{kind}_entropy_of_mean"] = use.entropy_of_mean
            troubles |= self._rank_trouble(kind, rank, min(rows.shape[0] * rank_and_size()[1], rows.shape[1]))
            troubles |= dict(self._use_troubles(kind, use, logits.shape[1]))
        metrics["agreement"] = agreement(outputs.student_global_logits, outputs.teacher_cls_logits)
        metrics["cosine_agreement"] = cosine_agreement(outputs.student_cls, outputs.teacher_cls)
        # without masked patches, their measures are NaN
        engine.state.metrics |= {_PREFIX + name: value for name, value in metrics.items() if math.isfinite(value)}
        if engine.state.iteration > self.warn_after:
            self._warn(engine.state.iteration, troubles)

    def _rank_trouble(self, kind: str, rank: float, possible: int) -> dict[str, str]:
        if possible < 2 or not rank < max(1.2, self.min_rank_share * possible):
            return {}
        return {
            f"{kind} rank": f"the {kind} features have an effective rank of {rank:.2f} (at most {possible}): all "
            f"{_KINDS[kind]} look the same to the network. Lower the learning rate or lengthen its warm-up, increase "
            f"the KoLeo weight, and check the crops: they may show only air"
        }

    def _use_troubles(self, kind: str, use: PrototypeUse, n_prototypes: int) -> Iterator[tuple[str, str]]:
        possible = min(use.rows, n_prototypes)
        if possible < 2:
            return
        if use.used == 1 or use.used < self.min_used * possible:
            yield (
                f"{kind} prototypes",
                f"{use.rows} {_KINDS[kind]} choose {use.used} of {n_prototypes} prototypes: the head has collapsed to "
                f"a few of them. Lower the learning rate, or freeze the last layer for longer",
            )
        if use.information < self.min_information:
            same = "the same prototype" if use.entropy < 0.5 * math.log(n_prototypes) else "all prototypes alike"
            yield (
                f"{kind} entropy",
                f"the teacher gives all {_KINDS[kind]} {same} (entropy {use.entropy:.2f} of at most "
                f"{math.log(n_prototypes):.2f} nats, that of their mean {use.entropy_of_mean:.2f}): its targets carry "
                f"no information. "
                + ("Raise" if same.startswith("the") else "Lower")
                + " the teacher's temperature, and lower the learning rate",
            )

    def _warn(self, iteration: int, troubles: dict[str, str]) -> None:
        self._times = {name: self._times.get(name, 0) + 1 for name in troubles}
        for name, text in troubles.items():
            if self._times[name] == self.patience:
                logger.warning("iteration %d: %s", iteration, text)
