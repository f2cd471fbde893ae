"""Losses of all decoders: a panel for each decoder, a colour for each encoder, a line for each fold."""

from PIL import Image

from meddino_components.pictures.blank_figure import blank_figure
from meddino_components.probing.segmentation import loss_curves
from meddino_components.probing.segmentation.loss_curves import write_loss_curves


def test_panels_lines_and_legend(tmp_path, monkeypatch):
    figures = []

    def keep(*given, **settings):
        figures.append(blank_figure(*given, **settings))
        return figures[-1]

    monkeypatch.setattr(loss_curves, "blank_figure", keep)
    losses = {
        (fold, encoder, decoder): [1.0, 0.5 + number / 10]
        for number, fold in enumerate(("fold 0", "fold 1"))
        for encoder in ("mine", "raw pixels")
        for decoder in ("linear", "conv_2d")
    }
    write_loss_curves(tmp_path / "loss.png", losses)
    (figure,) = figures
    assert [axes.get_title() for axes in figure.axes] == ["linear", "conv_2d"]
    for axes in figure.axes:
        assert sorted(line.get_color() for line in axes.lines) == ["C0", "C0", "C1", "C1"]
        assert axes.lines[0].get_xydata().tolist() == [[25, 1.0], [75, 0.5]]
    assert [text.get_text() for text in figure.axes[1].get_legend().get_texts()] == ["mine", "raw pixels"]
    with Image.open(tmp_path / "loss.png") as picture:
        assert picture.width > picture.height
