"""Dice of each organ among the metrics of a validation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ignite.engine import Engine, Events


class OrganDice:
    """Handler of the validation engine: one metric an organ, averaged over the cases that have it.

    Args:
        metric: a MONAI metric in ``state.metric_details``, [cases, organs], NaN where a case lacks the organ.
        names: names of the organs, in the order of the columns.
    """

    def __init__(self, *, metric: str, names: Sequence[str]) -> None:
        self.metric, self.names = metric, names

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        means = torch.nanmean(engine.state.metric_details[self.metric], dim=0)
        for name, mean in zip(self.names, means.tolist(), strict=True):
            if mean == mean:  # an organ that no case has is left out
                engine.state.metrics[f"dice/{name}"] = mean
