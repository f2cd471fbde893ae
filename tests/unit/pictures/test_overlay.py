"""The sheet shows the organs, the right way up."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from meddino_components.errors import InputError
from meddino_components.pictures import overlay, write_overlay
from meddino_components.pictures.overlay import grey_window
from meddino_components.pictures.slice_choice import choose_slices, label_areas


def volume() -> tuple[np.ndarray, np.ndarray]:
    image = np.random.default_rng(0).normal(0, 5, (60, 80, 40)).astype(np.float32)
    labels = np.zeros((60, 80, 40), np.uint8)
    labels[10:30, 10:40, 5:20] = 1
    labels[40:44, 60:70, 30:32] = 2
    image[labels > 0] = 100
    return image, labels


def draw(path: Path, image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    from matplotlib.image import imread

    organs = {1: ("liver", 500.0), 2: ("spleen", 4.2), 3: ("bladder", 0.0)}
    write_overlay(path, image=image, labels=labels, spacing_mm=(1.0, 1.0, 2.5), organs=organs, title="case")
    return np.asarray(imread(path))


def test_areas() -> None:
    _, labels = volume()
    per_slice, per_row = label_areas(labels)
    assert per_slice[10, 0] == 600
    assert per_slice[31, 1] == 40
    assert per_row[41, 1] == 20
    assert per_slice.sum() == per_row.sum() == (labels > 0).sum()


def test_every_organ_is_shown_at_its_largest() -> None:
    areas = np.zeros((50, 4), np.int64)
    areas[5:9, 0] = [1, 9, 3, 1]
    areas[30, 1] = 2
    areas[31:35, 2] = 100
    chosen = choose_slices(areas, 4)
    assert {6, 30} < set(chosen)
    assert set(chosen) & {31, 32, 33, 34}
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 4


@pytest.mark.parametrize("depth", [1, 3, 12, 200])
def test_slices_without_labels_are_spread(depth: int) -> None:
    chosen = choose_slices(np.zeros((depth, 255), np.int64), 12)
    assert len(chosen) == min(depth, 12)
    assert len(set(chosen)) == len(chosen)
    assert max(np.diff([-1, *chosen, depth])) <= max(2, depth // 5)


def test_window_is_that_of_the_tissue() -> None:
    image, labels = volume()
    image[labels == 1] = np.linspace(50, 150, (labels == 1).sum())
    low, high = grey_window(image, labels, [10, 12])
    assert low < 0 < 150 < high < 400


def test_sheet_is_right_side_up(tmp_path: Path) -> None:
    image, labels = volume()
    sheet = draw(tmp_path / "a.png", image, labels)
    assert sheet.shape[1] > sheet.shape[0] > 200
    # label 1 (red) lies anterior and on the patient's right: in the first tile's upper left quarter
    width = sheet.shape[1]
    reddish = (sheet[..., 0] > sheet[..., 1] + 0.15) & (sheet[..., 0] > sheet[..., 2] + 0.15)
    columns = np.flatnonzero(reddish[:, : width // 8].any(axis=0))
    assert columns.size > 20


@pytest.mark.parametrize("shape", [(60, 80, 1), (1, 1, 1), (8, 200, 3)])
def test_odd_volumes_are_drawn(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    sheet = draw(tmp_path / "a.png", np.zeros(shape, np.float32), np.ones(shape, np.uint8))
    assert sheet.ndim == 3


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(InputError, match="install the extra 'report'"):
        write_overlay(
            tmp_path / "a.png", image=np.zeros((2, 2, 2), np.float32), labels=np.zeros((2, 2, 2), np.uint8),
            spacing_mm=(1, 1, 1), organs={}, title="",
        )  # fmt: skip


def drawn_tiles(monkeypatch: pytest.MonkeyPatch) -> list[tuple[np.ndarray, float, str, tuple[str, str]]]:
    """What is drawn from now on: labels, height of a pixel by its width, text, letters at the sides."""
    tiles = []

    def note(axes, image, labels, window, aspect, text, fill, sides):  # type: ignore[no-untyped-def]
        tiles.append((labels, aspect, text, sides))
        draw_slice(axes, image, labels, window, aspect, text, fill, sides)

    draw_slice = overlay.draw_slice
    monkeypatch.setattr(overlay, "draw_slice", note)
    return tiles


@pytest.mark.parametrize(
    ("axcodes", "shape", "sides", "cut", "n_voxels"),
    [
        # rows, columns, slices; the patient's front, right and top are the planted corner
        ("PLS", (20, 24, 28), ("R", "L"), "coronal", 4 * 5 * 6),
        ("ILP", (28, 24, 20), ("R", "L"), "axial", 4 * 5 * 6),
        ("IPL", (28, 20, 24), ("A", "P"), "axial", 4 * 5 * 6),
    ],
)
def test_tiles_lie_as_a_radiologist_sees_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, axcodes: str, shape: tuple[int, int, int], sides: tuple[str, str],
    cut: str, n_voxels: int,
) -> None:  # fmt: skip
    size = dict(zip("PLS", (4, 5, 6), strict=True)) | {"I": 6}
    labels = np.zeros(shape, np.uint8)
    # from the patient's right, front and top
    corner = [slice(-size[a], None) if a == "S" else slice(0, size[a]) for a in axcodes]
    labels[tuple(corner)] = 1
    spacing_mm = (0.5, 1.0, 4.0)
    tiles = drawn_tiles(monkeypatch)
    write_overlay(
        tmp_path / "a.png", image=labels.astype(np.float32), labels=labels, spacing_mm=spacing_mm,
        organs={1: ("cord", 1.0)}, title="a", axcodes=axcodes, window=(-1.0, 1.0),
    )  # fmt: skip
    *slices, (cut_labels, cut_aspect, text, cut_sides) = sorted(tiles, key=lambda tile: cut in tile[2])
    assert len(slices) == 12
    assert {(aspect, letters) for _, aspect, _, letters in slices} == {(0.5, sides)}
    # to the top left: the front or top is up, the right or front to the left
    shown = [tile for tile, _, _, _ in slices if tile.any()]
    assert shown
    assert all(tile[:4, :4].all() and not tile[6:].any() and not tile[:, 6:].any() for tile in shown)
    assert (text.split()[0], cut_sides) == (cut, ("R", "L"))
    assert cut_labels[:4, :4].all()
    assert not cut_labels[6:].any()
    assert not cut_labels[:, 6:].any()
    assert cut_aspect == {"PLS": 4.0, "ILP": 4.0, "IPL": 0.25}[axcodes]
    assert cut_labels.shape[0] == {"coronal": 28, "axial": 20}[cut]
    assert int((labels > 0).sum()) == n_voxels


@pytest.mark.parametrize("shape", [(60, 80, 1), (8, 200, 3)])
def test_odd_sagittal_volumes_are_drawn(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    path = tmp_path / "a.png"
    write_overlay(
        path, image=np.zeros(shape, np.float32), labels=np.ones(shape, np.uint8), spacing_mm=(1, 1, 5),
        organs={1: ("cord", 1.0)}, title="a", axcodes="IPL",
    )  # fmt: skip
    assert path.stat().st_size > 1000
