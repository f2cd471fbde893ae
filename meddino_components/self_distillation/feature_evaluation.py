"""Judge the teacher's features on fixed slices while it trains."""

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

from ..embeddings import Encoder, backbone_encoder
from ..features.feature_map_sheet import write_feature_maps
from ..features.patch_features import SliceFeatures, extract_features
from ..files import ResultFiles
from ..networks import DinoVisionTransformer
from ..pictures.blank_figure import require_matplotlib
from ..pictures.slice_choice import evenly_spaced
from ..placement.devices import unwrap
from ..probing.patches.feature_scores import feature_scores
from ..processes import rank_and_size
from ..training.iteration_lines import IterationLines, forget_metrics

logger = logging.getLogger(__name__)

_PREFIX = "features/"
_NAME = re.compile(r"iteration_(\d+)")


class FeatureEvaluation:
    """Handler: k-NN and linear probe of the EMA teacher on held-out slices, and pictures of its features.

    Scores (see `feature_scores`) go to ``engine.state.metrics`` as ``features/<score>`` until the next iteration
    begins, and as a line to ``output_dir/feature_scores.jsonl``. Pictures go to
    ``output_dir/feature_maps/iteration_000123.png``, written whole or not at all; the ``.npz`` beside each holds the
    components that keep the colours of the next one comparable. A new run is evaluated before its first iteration, too.

    Training is not disturbed: no random number is drawn, no loader started, and the teacher's mode is put back. All
    processes encode the slices (a sharded network needs every one of them); the first alone probes and draws, the
    others wait and get its scores.

    Attach it after `TrainingCheckpoint`, which says at which iteration a resumed run begins, and before logs.

    Args:
        network: `StudentTeacher`, or that in DDP.
        test_slices: held-out slices, see `ReferenceSlices`; they are drawn, and scored if there are ``train_slices``.
        output_dir: folder of the run.
        train_slices: slices from which the probes learn; None draws pictures only.
        n_classes: classes of the labels, background included; needed with ``train_slices``.
        interval: iterations or epochs between evaluations.
        unit: of the interval.
        n_neighbours: of k-NN.
        l2: of the linear probe.
        min_purity: share of a patch that its class has to fill.
        include_background: let probes learn and find background, too; the organ score is over organs either way.
        batch_size: slices encoded at once.
        n_pictures: test slices drawn, evenly spaced; 0 draws none.
        n_points: points of cosine similarity in each.
        window: (low, high) grey window of pictures in the images' units; None is taken from the slices.

    Raises:
        InputError: matplotlib is not installed but pictures are wanted; a label beyond ``n_classes``.
        ValueError: ``train_slices`` without ``n_classes``, an unknown unit, an interval below 1.
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        test_slices: Sequence[Mapping[str, Any]],
        output_dir: str | Path,
        train_slices: Sequence[Mapping[str, Any]] | None = None,
        n_classes: int | None = None,
        interval: int = 1,
        unit: Literal["epoch", "iteration"] = "epoch",
        n_neighbours: int = 20,
        l2: float = 1.0,
        min_purity: float = 0.5,
        include_background: bool = False,
        batch_size: int = 8,
        n_pictures: int = 4,
        n_points: int = 3,
        window: tuple[float, float] | None = None,
    ) -> None:
        if train_slices is not None and n_classes is None:
            raise ValueError("train_slices are to be scored: n_classes is needed")
        if unit not in ("epoch", "iteration") or interval < 1:
            raise ValueError(f"expected an interval of at least 1 epoch or iteration, got {interval} {unit}")
        self.network, self.train_slices, self.test_slices = network, train_slices, test_slices
        self.n_classes, self.n_neighbours, self.l2 = n_classes, n_neighbours, l2
        self.min_purity, self.include_background, self.batch_size = min_purity, include_background, batch_size
        self.interval, self.unit = interval, unit
        if n_pictures:
            require_matplotlib("feature maps", otherwise="set n_pictures to 0")
        self.n_pictures, self.n_points, self.window = n_pictures, n_points, window
        self.maps_dir = Path(output_dir) / "feature_maps"
        self.lines = IterationLines(Path(output_dir) / "feature_scores.jsonl")

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_STARTED, forget_metrics, _PREFIX)
        # for epochs, too: logs of an iteration then find the scores, and the epoch's checkpoint comes after them
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._evaluate_when_due)

    def _start(self, engine: Engine) -> None:
        if rank_and_size()[0] == 0:
            self.lines.drop_after(engine.state.iteration)
        if engine.state.iteration == 0:
            self(engine)

    def _evaluate_when_due(self, engine: Engine) -> None:
        # not ignite's every=n, which counts what it saw: a resumed run is evaluated where a whole one is
        length = engine.state.epoch_length if self.unit == "epoch" else 1
        if engine.state.iteration % (self.interval * length) == 0:
            self(engine)

    def __call__(self, engine: Engine) -> None:
        backbone: DinoVisionTransformer = unwrap(self.network).teacher.backbone
        was_training = backbone.training
        backbone.eval()
        encoder = backbone_encoder(backbone, _gathering_forward(self.network, backbone))
        training = None if self.train_slices is None else self._features(encoder, self.train_slices)
        test = self._features(encoder, self.test_slices)
        if isinstance(self.network, FSDPModule):
            self.network.reshard()
        backbone.train(was_training)
        rank, n_ranks = rank_and_size()
        shared: list[Any] = [None]
        if rank == 0:
            shared = [self._report(engine.state.iteration, training, test)]
        if n_ranks > 1:
            dist.broadcast_object_list(shared)
        engine.state.metrics |= {_PREFIX + name: score for name, score in shared[0].items()}

    def _features(self, encoder: Encoder, slices: Sequence[Mapping[str, Any]]) -> SliceFeatures:
        return extract_features(
            encoder,
            slices,
            patch_size=unwrap(self.network).teacher.backbone.patch_size,
            n_classes=None if self.train_slices is None else self.n_classes,
            min_purity=self.min_purity,
            include_background=self.include_background,
            batch_size=self.batch_size,
        )

    def _report(self, iteration: int, training: SliceFeatures | None, test: SliceFeatures) -> dict[str, float]:
        scores = {}
        if training is not None and self.n_classes is not None:
            settings: dict[str, Any] = {"n_neighbours": self.n_neighbours, "l2": self.l2}
            scores = feature_scores(training, test, n_classes=self.n_classes, **settings)
            self.lines.append(iteration, scores)
            logger.info("iteration %d: %s", iteration, ", ".join(f"{k} {v:.3f}" for k, v in scores.items()))
        if self.n_pictures:
            self._draw(iteration, test, scores)
        return scores

    def _draw(self, iteration: int, test: SliceFeatures, scores: Mapping[str, float]) -> None:
        chosen = evenly_spaced(len(self.test_slices), self.n_pictures)
        note = ", ".join(f"{name.replace('_', ' ')} {score:.3f}" for name, score in scores.items() if "organ" in name)
        self.maps_dir.mkdir(parents=True, exist_ok=True)
        name = f"iteration_{iteration:06d}"
        with ResultFiles() as files:
            colours = write_feature_maps(
                files.path(self.maps_dir / f"{name}.png"),
                slices=[self.test_slices[k] for k in chosen],
                patches=test.patches[chosen],
                grid=test.grid,
                title=f"EMA teacher, iteration {iteration:,}",
                note=note,
                n_points=self.n_points,
                window=self.window,
                previous=self._previous(iteration),
            )
            with files.path(self.maps_dir / f"{name}.npz").open("wb") as file:
                np.savez(file, components=colours.scores.numpy())

    def _previous(self, iteration: int) -> Tensor | None:
        """Components of the last picture before this iteration: a resumed run finds those of the run it resumes."""
        numbers = [int(found[1]) for p in self.maps_dir.glob("*.npz") if (found := _NAME.fullmatch(p.stem))]
        earlier = [number for number in numbers if number < iteration]
        if not earlier:
            return None
        with np.load(self.maps_dir / f"iteration_{max(earlier):06d}.npz") as arrays:
            return torch.from_numpy(arrays["components"])


def _gathering_forward(network: nn.Module, backbone: DinoVisionTransformer) -> Callable[[Tensor], Any] | None:
    """For a network sharded by FSDP2 the backbone's forward with the hooks of the whole network's, which gather it."""
    if not isinstance(network, FSDPModule):
        return None
    name = "teacher_forward_features"
    if not hasattr(network, name):
        setattr(network, name, backbone.forward_features)
        register_fsdp_forward_method(network, name)
    forward: Callable[[Tensor], Any] = getattr(network, name)
    return forward
