import numpy as np
import pytest
from PIL import Image
from slice_stores import random_slices, write_store

from meddino_components.data.curation.contact_sheet import write_contact_sheet
from meddino_components.data.slice_store import SliceStore

pytest.importorskip("blosc2")
pytest.importorskip("matplotlib")


def test_every_nth_slice_upright(tmp_path):
    # dark above and bright below, and a bright corner on the patient's right in front
    slices = np.full((60, 32, 32), -1000, np.int16)
    slices[:, 16:] = 1000
    slices[:, :6, :6] = 1000
    slices[:, 0, 20] = np.arange(60)
    write_store(tmp_path, [slices, random_slices((20, 90))])
    chosen = write_contact_sheet(tmp_path / "sheet é.png", SliceStore(tmp_path))
    assert (len(chosen), chosen[0], chosen[-1]) == (48, 0, 64)
    page = np.asarray(Image.open(tmp_path / "sheet é.png").convert("L")).astype(int)
    assert min(page.shape) > 1000
    # the first tile is the only bright thing in its eighth of the page
    tile = page[: page.shape[0] // 6 + 60, : page.shape[1] // 8]
    rows, columns = np.nonzero(tile > 250)
    inside = tile[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    half = inside.shape[0] // 2
    assert (inside[-half // 2 :] > 250).mean() > 0.9
    assert (inside[: half // 2, : inside.shape[1] // 8] > 200).mean() > 0.2
    assert (inside[half // 2 : half - 8, inside.shape[1] // 2 :] > 200).mean() < 0.1


def test_a_store_of_one_slice(tmp_path):
    write_store(tmp_path, [random_slices((20, 30), n=1)])
    assert write_contact_sheet(tmp_path / "sheet.png", SliceStore(tmp_path)) == [0]
    assert (tmp_path / "sheet.png").stat().st_size > 2000
    assert not list(tmp_path.glob(".*partial*"))
