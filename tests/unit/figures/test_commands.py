"""What the three commands hand to the drawing; tests/end_to_end/test_figures.py runs them with weights."""

import pytest
from planted_scans import grey_encoder, write_scan

from meddino_components.figures import commands
from meddino_components.figures.options import FigureOptions


@pytest.fixture
def calls(monkeypatch):
    seen = []
    for name in ("draw_resolutions", "draw_similarity", "draw_checkpoints"):
        monkeypatch.setattr(commands, name, lambda path, name=name, **settings: seen.append((name, settings)))
    monkeypatch.setattr(FigureOptions, "encoder", lambda self, weights, like=None: (weights, like, grey_encoder()))
    return seen


@pytest.fixture
def places(tmp_path):
    return str(write_scan(tmp_path / "scan.nii.gz")), str(tmp_path / "a.png")


def test_resolutions(calls, places):
    commands.figure_resolutions(*places, "w.pt", modality="ct", slices=[1, 3], sizes=(32, 64), window=[0, 9], dpi=50)
    ((name, given),) = calls
    assert name == "draw_resolutions"
    assert [one.index for one in given["slices"]] == [1, 3]
    assert (given["sizes_px"], given["window"], given["dpi"], given["mask"]) == ([32, 64], (0.0, 9.0), 50, True)


def test_similarity(calls, places):
    assert commands.figure_similarity(*places, "w.pt", modality="ct", n_points=2) == f"wrote {places[1]}"
    ((_, given),) = calls
    assert (len(given["points"]), given["size_px"], given["slice_"].index) == (2, 1024, 2)


def test_random_checkpoints_are_like_the_last_other_ones(calls, places):
    commands.figure_checkpoints(*places, ["random", "meddinov3-b"], modality="ct", mask=False)
    ((_, given),) = calls
    assert [encoder[:2] for encoder in given["encoders"]] == [("random", "meddinov3-b"), ("meddinov3-b", "meddinov3-b")]
    assert (given["size_px"], given["mask"]) == (512, False)
