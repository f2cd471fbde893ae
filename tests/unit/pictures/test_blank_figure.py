"""Text of a picture stands as it is."""

import inspect
import io
import os
import sys

import numpy as np
import pytest
from matplotlib.text import Text

from meddino_components.data import curate
from meddino_components.errors import InputError
from meddino_components.features import write_volume_features
from meddino_components.figures import figure_checkpoints, figure_resolutions, figure_similarity
from meddino_components.pictures.blank_figure import blank_figure, save_figure
from meddino_components.probing import evaluate_classification, evaluate_patches, evaluate_segmentation, run_sweep

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


@pytest.mark.parametrize(
    "command",
    [
        figure_resolutions,
        figure_similarity,
        figure_checkpoints,
        curate,
        evaluate_classification,
        evaluate_patches,
        evaluate_segmentation,
        run_sweep,
        write_volume_features,
    ],
    ids=lambda command: command.__name__,
)
def test_that_matplotlib_is_missing_is_said_before_anything_is_read(command, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    parameters = inspect.signature(command).parameters.values()
    needed = [one.name for one in parameters if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
    given = {name: str(tmp_path / "out.png") if name in ("output", "output_dir", "weights") else [] for name in needed}
    with pytest.raises(InputError, match="matplotlib: install the extra 'report'"):
        command(**given)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock"]
