"""A figure of matplotlib to draw on, which is an extra, and its file."""

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
    """Say that matplotlib is missing; to be called at the start of a command, not after a night's work.

    Args:
        what: is to be drawn, for the message: "feature maps".
        otherwise: what else the user can do: "turn the pictures off".

    Raises:
        InputError: matplotlib is not installed.
    """
    if not has_matplotlib():
        choice = f"; or {otherwise}" if otherwise else ""
        raise InputError(f"{what} cannot be drawn without matplotlib: {extra('report')}{choice}")


def has_matplotlib() -> bool:
    """Whether pictures can be drawn."""
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
    """A figure that needs no screen and that no list of open figures keeps.

    Args:
        what: is drawn, for the message: "feature maps".
        dpi: dots an inch.
        inches: width and height; None leaves them to be set later.
        constrained: make room for labels by matplotlib's constrained layout.
        facecolor: colour of the page.
        otherwise: what else the user can do where matplotlib is missing: "turn the pictures off".

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
    """Write a figure in which every text stands as it is.

    Names of cases, files and labels are the user's: between two dollar signs matplotlib would read a formula, and stop
    at one that it does not know. Numbers along an axis, which matplotlib writes itself, stay formulas.

    Args:
        figure: figure made by `blank_figure`.
        target: a path, whose suffix says the format, or an open file.
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
    """What a figure is made of, without axes that are switched off: matplotlib would make their ticks for this."""
    from matplotlib.axis import Axis

    for child in artist.get_children():
        if not (isinstance(child, Axis) and not child.axes.axison):
            yield child
            yield from _shown(child)


def _drawable(text: str) -> str:
    """What is no UTF-8, in the name of a file, no font can draw."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
