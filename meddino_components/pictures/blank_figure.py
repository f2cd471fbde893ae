"""Create and save figures with matplotlib, which is an extra."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import InputError
from ..project import extra

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure


def require_matplotlib(what: str, *, otherwise: str | None = None) -> None:
    """Raise an error if matplotlib is missing. Call it at the start of a command, before any long computation.

    Args:
        what: subject of the figure, for the message: "feature maps".
        otherwise: alternative for the user: "turn the pictures off".

    Raises:
        InputError: matplotlib is not installed.
    """
    if not has_matplotlib():
        choice = f"; or {otherwise}" if otherwise else ""
        raise InputError(f"{what} cannot be drawn without matplotlib: {extra('report')}{choice}")


def has_matplotlib() -> bool:
    """Return whether matplotlib is installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        return False
    return True


def blank_figure(
    what: str,
    *,
    dpi: float,
    inches: tuple[float, float] | None = None,
    constrained: bool = False,
    facecolor: str = "white",
    otherwise: str | None = None,
) -> Figure:
    """Return a figure that needs no screen and is not kept in pyplot's list of open figures.

    Args:
        what: subject of the figure, for the message: "feature maps".
        dpi: dots per inch.
        inches: width and height; None to set them later.
        constrained: whether to use matplotlib's constrained layout, which makes room for labels.
        facecolor: background colour.
        otherwise: alternative for the user if matplotlib is missing: "turn the pictures off".

    Raises:
        InputError: matplotlib is not installed.
    """
    require_matplotlib(what, otherwise=otherwise)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=inches, dpi=dpi, layout="constrained" if constrained else None, facecolor=facecolor)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, target: Path | IO[bytes], **options: Any) -> None:
    """Save a figure, drawing every text literally.

    Names of cases, files and labels come from the user. Matplotlib would parse text between two dollar signs as a
    formula, and fail if it is invalid. Numbers along an axis, which matplotlib writes itself, stay formulas.

    Args:
        figure: figure made by `blank_figure`.
        target: path, whose suffix gives the format, or an open file.
        options: further arguments of matplotlib's ``savefig``.
    """
    from matplotlib.axis import Axis
    from matplotlib.text import Text
    from matplotlib.ticker import FixedFormatter, FuncFormatter

    numbers = set()
    for axis in [artist for artist in _shown(figure) if isinstance(artist, Axis)]:
        if isinstance(axis.get_major_formatter(), (FixedFormatter, FuncFormatter)):
            # drawing takes the text from the formatter again
            axis.set_ticks(axis.get_ticklocs(), [_drawable(label.get_text()) for label in axis.get_ticklabels()])
        else:
            numbers.update(axis.get_ticklabels(which="both"))
    for text in _shown(figure):
        if isinstance(text, Text) and text not in numbers:
            text.set_parse_math(False)
            text.set_text(_drawable(text.get_text()))
    figure.savefig(target, **options)


def _shown(artist: Artist) -> Iterator[Artist]:
    """Yield the artists of a figure except axes that are switched off, whose ticks matplotlib would create for this."""
    from matplotlib.axis import Axis

    for child in artist.get_children():
        if not (isinstance(child, Axis) and not child.axes.axison):
            yield child
            yield from _shown(child)


def _drawable(text: str) -> str:
    """Escape bytes in file names that are not valid UTF-8, which no font can draw."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
