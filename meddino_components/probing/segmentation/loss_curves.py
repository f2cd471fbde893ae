"""The training losses of all decoders in one picture, which shows whether they converged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...files import ResultFiles
from ...pictures.blank_figure import blank_figure, save_figure


def write_loss_curves(path: Path, losses: Mapping[tuple[str, str, str], Sequence[float]]) -> None:
    """Draw one panel for each decoder, one colour for each encoder and one line for each fold.

    Args:
        path: PNG to write.
        losses: by fold, encoder and decoder, mean losses of equal parts of the training.

    Raises:
        InputError: matplotlib is not installed.
    """
    decoders = list(dict.fromkeys(decoder for _, _, decoder in losses))
    encoders = list(dict.fromkeys(encoder for _, encoder, _ in losses))
    figure = blank_figure("training losses", dpi=110, inches=(3.6 * len(decoders), 3.2), constrained=True)
    panels = figure.subplots(1, len(decoders), sharey=True, squeeze=False)[0]
    for axes, decoder in zip(panels, decoders, strict=True):
        drawn = set()
        for (_, encoder, kind), curve in losses.items():
            if kind == decoder:
                share = [100 * (k + 0.5) / len(curve) for k in range(len(curve))]
                label = None if encoder in drawn else encoder
                axes.plot(share, curve, color=f"C{encoders.index(encoder)}", linewidth=1, label=label)
                drawn.add(encoder)
        axes.set_title(decoder, fontsize=9)
        axes.set_xlabel("share of the training (%)", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("Dice + cross-entropy", fontsize=8)
    panels[-1].legend(fontsize=7, frameon=False)
    with ResultFiles() as files:
        save_figure(figure, files.path(path))
