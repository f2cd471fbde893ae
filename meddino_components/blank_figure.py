"""A figure of matplotlib to draw on, which is an extra."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        facecolor: of the page.
        otherwise: what else the user can do where matplotlib is missing: "turn the pictures off".

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        choice = f", or {otherwise}" if otherwise else ""
        raise InputError(f"{what} cannot be drawn without matplotlib: pip install 'meddino[report]'{choice}") from error
    figure = Figure(figsize=inches, dpi=dpi, layout="constrained" if constrained else None, facecolor=facecolor)
    FigureCanvasAgg(figure)
    return figure
