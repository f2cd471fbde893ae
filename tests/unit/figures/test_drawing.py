"""The page: its size, its labels, its formats, and that the same figure is the same file."""

import numpy as np
import pytest
from matplotlib.image import imread
from planted_scans import planted_slice

from meddino_components.errors import InputError
from meddino_components.figures import drawing
from meddino_components.figures.drawing import Sheet, Tile, check_format, draw
from meddino_components.figures.scan_slice import Box

VIEW = Box(0, 1, 0, 1)


def sheet(n_columns=2, **settings):
    values = np.linspace(0, 1, 64).reshape(8, 8)
    row = [Tile.similarity(values, marks=[(1, 0.5, 0.5)]), *[Tile.map(np.ones((8, 8, 3)))] * (n_columns - 1)]
    heads = [f"head {k}" for k in range(n_columns)]
    return Sheet(rows=[row, row], heads=heads, names=["one", "two"], view=VIEW, title="A title", **settings)


@pytest.mark.parametrize(("n_columns", "wide_mm"), [(1, 45), (2, 86), (8, 183)])
def test_as_wide_as_its_panels_up_to_a_page(tmp_path, n_columns, wide_mm):
    draw(tmp_path / "a.png", sheet(n_columns), dpi=100)
    assert imread(tmp_path / "a.png").shape[1] / 100 * 25.4 == pytest.approx(wide_mm, abs=1.5)


def test_labels_are_text_in_svg(tmp_path):
    draw(tmp_path / "a.svg", sheet(note="what is shown"))
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    for words in ("A title", "head 0", "head 1", "one", "two", "what is shown", "cosine similarity"):
        assert f">{words}<" in text
    draw(tmp_path / "b.svg", sheet(note="what is shown"))
    assert "<dc:date>" not in text


def test_a_grey_slice_has_sides_and_a_bar(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(drawing, "save_figure", lambda figure, path, **rest: figures.append(figure) or path.touch())
    slice_ = planted_slice(tmp_path)
    tile = Tile.grey(slice_, (-1000, 400), scale_bar=True)
    assert tile.bar == pytest.approx(50 / slice_.side_mm)
    draw(tmp_path / "a.png", Sheet(rows=[[tile]], heads=["a slice"], view=slice_.box, title="Grey"))
    (axes,) = figures[0].axes
    assert [text.get_text() for text in axes.texts] == ["R", "L", "5 cm"]
    (bar,) = axes.lines
    start, end = bar.get_xdata()
    assert (end - start) * (slice_.box.right - slice_.box.left) == pytest.approx(tile.bar)


def test_formats_and_folders(tmp_path):
    with pytest.raises(InputError, match=r"a\.jpg: a figure must end in \.png, \.pdf or \.svg"):
        check_format(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"the folder .*new does not exist"):
        check_format(tmp_path / "new" / "a.png")
    (tmp_path / "a.png").write_bytes(b"mine")
    with pytest.raises(InputError, match="not written by meddino"):
        check_format(tmp_path / "a.png")
