"""Evaluate the teacher's features on fixed slices while it trains."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.distributed as dist
from ignite.engine import Engine, Events
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method

from ..embeddings import backbone_encoder
from ..features import FeaturePictures, LabelledSlices
from ..features.labelled_slices import EncodedSlices
from ..features.patch_features import SliceFeatures
from ..files import ResultFiles
from ..networks import DinoVisionTransformer
from ..pictures.blank_figure import require_matplotlib
from ..placement.devices import unwrap
from ..probing.patches.feature_scores import SplitFeatures, feature_scores
from ..probing.probes.probe import Probe, check_probes
from ..processes import rank_and_size
from ..training.iteration_lines import IterationLines, forget_metrics

logger = logging.getLogger(__name__)

_PREFIX = "features/"
_NAME = re.compile(r"iteration_(\d+)")


class FeatureEvaluation:
    """Handler that scores the EMA teacher's features on held-out slices while it trains, and draws them.

    Scores (see `feature_scores`) go to ``engine.state.metrics`` as ``features/<score>`` until the next iteration
    begins, and as a line to ``output_dir/feature_scores.jsonl``. Pictures go to
    ``output_dir/feature_maps/iteration_000123.png``, each written completely or not at all; the ``.npz`` next to each
    holds the components by which the next picture gets comparable colours. A new run is also evaluated before its first
    iteration.

    Training is not disturbed: no random number is drawn, no loader is started, and the teacher's mode is restored. All
    processes encode the slices, since a sharded network needs every one of them. Only the first process runs the probes
    and draws; the others wait and receive its scores.

    Attach it after `TrainingCheckpoint`, which sets the iteration at which a resumed run begins, and before the logs.

    Args:
        network: `StudentTeacher`, possibly wrapped in DDP or sharded.
        slices: labelled slices; features are always drawn, and also scored if there are training slices.
        output_dir: output folder of the run.
        interval: number of iterations or epochs between evaluations.
        unit: unit of the interval.
        probes: probes that score the features; required if there are training slices.
        pictures: settings of the pictures.

    Raises:
        InputError: pictures are requested but matplotlib is not installed; a label has no name; there are training
            slices but no probes; or a probe needs bags.
        ValueError: the unit is unknown, or the interval is below 1.
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        slices: LabelledSlices,
        output_dir: str | Path,
        interval: int = 1,
        unit: Literal["epoch", "iteration"] = "epoch",
        probes: Sequence[Probe] = (),
        pictures: FeaturePictures | None = None,
    ) -> None:
        if slices.train is not None:
            check_probes(probes, has_bags=False)
        if unit not in ("epoch", "iteration") or interval < 1:
            raise ValueError(f"expected an interval of at least 1 epoch or iteration, got {interval} {unit}")
        self.network, self.slices, self.probes = network, slices, probes
        self.interval, self.unit = interval, unit
        self.pictures = pictures or FeaturePictures()
        if self.pictures.n_pictures:
            require_matplotlib("feature maps", otherwise="set n_pictures to 0")
        self.maps_dir = Path(output_dir) / "feature_maps"
        self.lines = IterationLines(Path(output_dir) / "feature_scores.jsonl")

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_STARTED, forget_metrics, _PREFIX)
        # also for epochs: the iteration's logs then include the scores, and the epoch's checkpoint is saved afterwards
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._evaluate_when_due)

    def _start(self, engine: Engine) -> None:
        if rank_and_size()[0] == 0:
            self.lines.drop_after(engine.state.iteration)
        if engine.state.iteration == 0:
            self(engine)

    def _evaluate_when_due(self, engine: Engine) -> None:
        # not ignite's every=n, which counts calls: a resumed run must be evaluated at the same iterations as an
        # uninterrupted one
        length = engine.state.epoch_length if self.unit == "epoch" else 1
        if engine.state.iteration % (self.interval * length) == 0:
            self(engine)

    def __call__(self, engine: Engine) -> None:
        backbone: DinoVisionTransformer = unwrap(self.network).teacher.backbone
        was_training = backbone.training
        backbone.eval()
        encoder = backbone_encoder(backbone, _gathering_forward(self.network, backbone))
        found = self.slices.encode(encoder, patch_size=backbone.patch_size)
        if isinstance(self.network, FSDPModule):
            self.network.reshard()
        backbone.train(was_training)
        rank, n_ranks = rank_and_size()
        shared: list[Any] = [None]
        if rank == 0:
            shared = [self._report(engine.state.iteration, found)]
        if n_ranks > 1:
            dist.broadcast_object_list(shared)
        engine.state.metrics |= {_PREFIX + name: score for name, score in shared[0].items()}

    def _report(self, iteration: int, found: EncodedSlices) -> dict[str, float]:
        scores = {}
        if found.training is not None:
            features = SplitFeatures(training=found.training, test=found.test, n_classes=self.slices.n_classes)
            scores = feature_scores(features, self.probes)
            self.lines.append(iteration, scores)
            logger.info("iteration %d: %s", iteration, ", ".join(f"{k} {v:.3f}" for k, v in scores.items()))
        if self.pictures.n_pictures:
            self._draw(iteration, found.test, scores)
        return scores

    def _draw(self, iteration: int, test: SliceFeatures, scores: Mapping[str, float]) -> None:
        note = ", ".join(f"{name.replace('_', ' ')} {score:.3f}" for name, score in scores.items() if "organ" in name)
        self.maps_dir.mkdir(parents=True, exist_ok=True)
        name = f"iteration_{iteration:06d}"
        with ResultFiles() as files:
            colours = self.pictures.draw(
                files.path(self.maps_dir / f"{name}.png"),
                self.slices.test,
                test,
                title=f"EMA teacher, iteration {iteration:,}",
                note=note,
                previous=self._previous(iteration),
            )
            with files.path(self.maps_dir / f"{name}.npz").open("wb") as file:
                np.savez(file, components=colours.scores.numpy())

    def _previous(self, iteration: int) -> Tensor | None:
        """Return the components of the last picture before this iteration, read from the run's folder."""
        numbers = [int(found[1]) for p in self.maps_dir.glob("*.npz") if (found := _NAME.fullmatch(p.stem))]
        earlier = [number for number in numbers if number < iteration]
        if not earlier:
            return None
        with np.load(self.maps_dir / f"iteration_{max(earlier):06d}.npz") as arrays:
            return torch.from_numpy(arrays["components"])


def _gathering_forward(network: nn.Module, backbone: DinoVisionTransformer) -> Callable[[Tensor], Any] | None:
    """Return the backbone's forward with hooks that gather a network sharded by FSDP2; None if it is not sharded."""
    if not isinstance(network, FSDPModule):
        return None
    name = "teacher_forward_features"
    if not hasattr(network, name):
        setattr(network, name, backbone.forward_features)
        register_fsdp_forward_method(network, name)
    forward: Callable[[Tensor], Any] = getattr(network, name)
    return forward
