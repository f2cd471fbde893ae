"""Rows of the tables of scores: one encoder under one probe, with intervals and gains over controls.

Shape: R resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from ..statistics.bootstrap import percentile_interval
from ..statistics.intervals import Interval


@dataclass(frozen=True)
class Row:
    """One encoder under one probe.

    Attributes:
        encoder: name of the encoder or control.
        is_control: True for controls such as random weights and raw pixels.
        probe: name of the probe, such as "knn".
        scores: scores by column name.
        gains: gain of the main score over each control, by the control's name.
        more: further numbers for the JSON only.
    """

    encoder: str
    is_control: bool
    probe: str
    scores: Mapping[str, Interval]
    gains: Mapping[str, Interval]
    more: Mapping[str, float] = field(default_factory=dict)


def measured_rows(
    measured: Mapping[tuple[str, str], Mapping[str, Tensor]],
    controls: Sequence[str],
    *,
    main: str,
    more: Mapping[tuple[str, str], Mapping[str, float]] | None = None,
) -> list[Row]:
    """Turn metrics under the same resamples into rows with intervals.

    Args:
        measured: by encoder and probe, in the order of the rows: each metric [1 + R], see `measure`.
        controls: names of the encoders that are controls.
        main: name of the metric whose gain over each control is given.
        more: further numbers by encoder and probe.
    """
    return [
        Row(
            encoder=encoder,
            is_control=encoder in controls,
            probe=probe,
            scores={metric: percentile_interval(values) for metric, values in metrics.items()},
            gains={
                control: percentile_interval(metrics[main] - measured[control, probe][main])
                for control in controls
                if control != encoder
            },
            more=(more or {}).get((encoder, probe), {}),
        )
        for (encoder, probe), metrics in measured.items()
    ]
