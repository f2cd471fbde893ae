"""Text of a picture stands as it is."""

import io
import os

import numpy as np
import pytest
from matplotlib.text import Text

from meddino_components.blank_figure import blank_figure, save_figure

FORMULAS = ["p$_{$q", "$x^2$", "$\\nothing$", os.fsdecode(b"h\xfctte $a$")]


@pytest.mark.parametrize("text", FORMULAS)
def test_nothing_is_read_as_a_formula(text):
    figure = blank_figure("a test", dpi=50, inches=(4, 3), constrained=True)
    axes = figure.add_subplot()
    axes.plot([1, 10, 1000], [1, 2, 3], label=text)
    axes.set(xscale="log", xlabel=text, title=text)
    axes.set_yticks([1, 2, 3], [text, "b", "c"])
    axes.text(1, 1, text)
    axes.annotate(text, (2, 2))
    axes.legend(title=text)
    figure.suptitle(text)
    figure.legend(loc="outside right center")
    save_figure(figure, io.BytesIO(), format="png")
    shown = text.encode("utf-8", "backslashreplace").decode()
    for found in figure.findobj(Text):
        if "$" in found.get_text() and "mathdefault" not in found.get_text():
            assert found.get_text() == shown
            assert not found.get_parse_math()


def test_numbers_of_a_logarithmic_axis_stay_formulas():
    figures = []
    for save in (save_figure, lambda figure, file, **options: figure.savefig(file, **options)):
        figure = blank_figure("a test", dpi=50, inches=(4, 3))
        figure.add_subplot().plot([1, 10, 1000], [1, 2, 3])
        figure.axes[0].set_xscale("log")
        save(figure, file := io.BytesIO(), format="png")
        figures.append(np.frombuffer(file.getvalue(), np.uint8))
    np.testing.assert_array_equal(*figures)
