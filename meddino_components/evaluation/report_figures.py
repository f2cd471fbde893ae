"""Plots of the report, as PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..pictures.blank_figure import blank_figure, save_figure
from .case_scores import OrganScore
from .metrics import SegmentationMetric

_INK = "#1c2733"
_LINE = "#8a94a0"
_FILL = "#4c78a8"
_MARKERS = "os^Dv"
_LEGEND_LINES = 25  # colours and markers of more organs than this look alike


def score_plot(scores: Sequence[OrganScore], organs: Sequence[str], metric: SegmentationMetric) -> bytes | None:
    """A metric's values for each organ: one dot per case, a box of the quartiles, a line at the median.

    Infinite values are left out.

    Returns:
        PNG; None if no case has a value for any organ.
    """
    values = {name: [s.values[metric.name] for s in scores if s.organ == name] for name in organs}
    shown = {name: finite for name, found in values.items() if (finite := [v for v in found if math.isfinite(v)])}
    if not shown:
        return None
    figure = _figure(9, 0.7 + 0.34 * len(shown))
    axes = figure.add_subplot()
    rows = np.arange(len(shown))
    axes.boxplot(
        list(shown.values()),
        positions=rows,
        orientation="horizontal",
        widths=0.6,
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": "#dce6f0", "edgecolor": _LINE},
        medianprops={"color": _INK, "linewidth": 1.6},
        whiskerprops={"color": _LINE},
        capprops={"color": _LINE},
    )
    for row, found in zip(rows, shown.values(), strict=True):
        # dots are spread in the order of the cases, not at random: the same run gives the same picture
        spread = np.linspace(-0.2, 0.2, len(found)) if len(found) > 1 else np.zeros(1)
        axes.scatter(found, row + spread, s=14, color=_FILL, alpha=0.8, linewidths=0, zorder=3)
    axes.set_yticks(rows, [f"{name} ({len(found)})" for name, found in shown.items()])
    axes.invert_yaxis()
    if not metric.unit and all(0 <= value <= 1 for found in shown.values() for value in found):
        axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel(f"{metric.heading} (in brackets: number of cases with a value)")
    axes.grid(axis="x", color="#e3e7eb")
    return _png(figure, axes)


def volume_plot(scores: Sequence[OrganScore], organs: Sequence[str]) -> bytes | None:
    """Predicted against reference volumes, and (after Bland and Altman) their difference against their mean.

    The difference is relative to the mean of the two, as organs differ in volume by three orders of magnitude; a
    missed organ lies at -200 %. Cases whose reference lacks the organ are left out.

    Returns:
        PNG; None if no reference has any organ.

    Reference:
        Bland and Altman, Measuring agreement in method comparison studies, Stat Methods Med Res 1999.
    """
    present = [s for s in scores if s.reference_ml > 0]
    if not present:
        return None
    figure = _figure(11, 4.6)
    left, right = figure.subplots(1, 2)
    names = [name for name in organs if any(s.organ == name for s in present)]
    for place, name in enumerate(names):
        reference = np.array([s.reference_ml for s in present if s.organ == name])
        prediction = np.array([s.prediction_ml for s in present if s.organ == name])
        mean = (reference + prediction) / 2
        look = {
            "s": 22,
            "marker": _MARKERS[place // 10 % len(_MARKERS)],
            "color": colormaps["tab10"](place % 10),
            "alpha": 0.8,
            "linewidths": 0,
        }
        left.scatter(reference, prediction, label=name, **look)
        right.scatter(mean, 100 * (prediction - reference) / mean, **look)
    volumes = np.array([(s.reference_ml, s.prediction_ml) for s in present])
    difference = 200 * (volumes[:, 1] - volumes[:, 0]) / volumes.sum(axis=1)
    bias, spread = float(difference.mean()), 1.96 * float(difference.std())
    span = [volumes[volumes > 0].min() / 1.5, volumes.max() * 1.5]
    left.plot(span, span, color=_LINE, linewidth=1, zorder=0)
    # logarithmic, but with room for the zero of a missed organ
    left.set(xscale="log", xlim=span, ylim=(0, span[1]), xlabel="reference (ml)", ylabel="prediction (ml)")
    left.set_yscale("symlog", linthresh=span[0])
    for height, style in ((bias, "-"), (bias - spread, "--"), (bias + spread, "--")):
        right.axhline(height, color=_INK, linewidth=1, linestyle=style, zorder=0)
    right.set(
        xscale="log",
        xlabel="mean of both (ml)",
        ylabel="prediction - reference (% of mean)",
        title=f"bias {bias:+.1f} %, limits of agreement {bias - spread:+.0f} to {bias + spread:+.0f} %",
    )
    right.title.set_fontsize(9)
    if len(names) <= _LEGEND_LINES:
        figure.legend(loc="outside right center", fontsize=8, frameon=False)
    return _png(figure, left, right)


def _figure(width: float, height: float) -> Figure:
    return blank_figure("the figures of the report", dpi=110, inches=(width, height), constrained=True)


def _png(figure: Figure, *axes: Axes) -> bytes:
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=9, colors=_INK)
    buffer = io.BytesIO()
    save_figure(figure, buffer, format="png")
    return buffer.getvalue()
