"""Maps of attention: it is painted where the tile is, and the tiles shown are those with most of it."""

import logging

import numpy as np
import pytest
import torch
from PIL import Image
from slide_writing import DARK, section, write_slide, write_tiles

from meddino_components.data.image_sets import Sample, Selection, Tiling, WholeSlide
from meddino_components.embeddings import FrozenEncoder, embed, pixel_encoder
from meddino_components.probing.image_sets import attention_maps
from meddino_components.probing.image_sets.attention_maps import over_slide, write_attention_maps
from meddino_components.probing.probes.bags import LabelledBags
from meddino_components.probing.probes.probe import ProbeScores

TILE, TILING = 32, Tiling(tile_px=32, mpp=1.0)


@pytest.fixture
def slide(tmp_path):
    """Tissue of 3 x 4 tiles of 64 pixels; the tile of row 1 and column 2 is dark."""
    pixels = section((5 * 64, 6 * 64), [(0, 0, 192, 256)])
    pixels[64:128, 128:192] = section((64, 64), [(0, 0, 64, 64)], colours=DARK)
    return write_slide(tmp_path / "s" / "a.tif", pixels, mpp=0.5)


def test_values_are_painted_where_the_tiles_are(slide):
    opened = WholeSlide(slide, TILING)
    origins = opened.find_tiles()
    thumbnail = opened.thumbnail(96)
    assert thumbnail.shape == (80, 96, 3)
    painted = over_slide(opened, origins, np.arange(12.0), thumbnail.shape[:2])
    expected = np.full((80, 96), np.nan)
    expected[:48, :64] = np.arange(12.0).reshape(3, 4).repeat(16, axis=0).repeat(16, axis=1)
    np.testing.assert_array_equal(painted, expected)
    # the dark tile is the seventh, on the thumbnail as well
    dark = thumbnail.mean(axis=-1) < 140
    assert dark[painted == 6].mean() > 0.85
    assert dark[painted != 6].mean() < 0.02


def bags_of(paths, tmp_path, names=("normal", "tumour")):
    samples = tuple(
        Sample(
            sample_id=f"part/{path.name}", image=str(path), index=None, patient=f"p{k}", split="test", labels=(k % 2,)
        )
        for k, path in enumerate(paths)
    )
    slides = Selection(
        name="slides",
        samples=samples,
        label_names=names,
        multi_label=False,
        dimensions=2,
        modality="picture",
        tiling=TILING,
    )
    encoder = FrozenEncoder(name="pixels", encode=pixel_encoder(patch_size=8), patch_size=8, digest="d")
    found = embed(slides, encoder, size_px=16, cache_dir=tmp_path / "cache", progress=False)
    kept = np.flatnonzero(found.lengths)
    bags = LabelledBags(embeddings=found, kind="cls", samples=kept, targets=torch.from_numpy(slides.targets()[kept]))
    attention = [torch.linspace(1, 2, int(n)).softmax(0) for n in found.lengths[kept]]
    return slides, bags, ProbeScores(scores=torch.tensor([[0.9, 0.1]] * len(kept)), attention=attention)


def folder_of_tiles(path, n=20):
    return write_tiles(path, {f"{k:02d}.png": np.full((8, 8, 3), 10 * k, np.uint8) for k in range(n)})


def test_slides_of_both_kinds_are_drawn(slide, tmp_path, monkeypatch):
    drawn = []
    original = attention_maps._draw_tiles

    def noted(part, opened, origins, relative, rows):
        drawn.append((type(opened).__name__, rows, float(relative.mean()), origins[relative.argmax()].tolist()))
        return original(part, opened, origins, relative, rows)

    monkeypatch.setattr(attention_maps, "_draw_tiles", noted)
    slides, bags, scores = bags_of([slide, folder_of_tiles(tmp_path / "b")], tmp_path)
    written = write_attention_maps(tmp_path / "maps", slides, bags, scores, n_maps=9)
    assert [path.name for path in written] == ["0000_part_a.tif.png", "0001_part_b.png"]
    # attention is in multiples of its mean, and grows along the tiles
    assert drawn == [
        ("WholeSlide", 1, pytest.approx(1), [192, 128]),
        ("TileFolder", 3, pytest.approx(1), [19, 0]),
    ]
    for path in written:
        with Image.open(path) as picture:
            assert np.asarray(picture.convert("RGB")).std() > 10


def test_some_slides_are_chosen_evenly(tmp_path):
    slides, bags, scores = bags_of([folder_of_tiles(tmp_path / f"{k}", 2) for k in range(7)], tmp_path)
    written = write_attention_maps(tmp_path / "maps", slides, bags, scores, n_maps=3)
    assert [path.name[:4] for path in written] == ["0000", "0003", "0006"]
    assert write_attention_maps(tmp_path / "none", slides, bags, scores, n_maps=0) == []
    assert not (tmp_path / "none").exists()


def test_a_slide_that_is_gone_has_a_warning_in_place_of_a_map(slide, tmp_path, caplog):
    slides, bags, scores = bags_of([slide, folder_of_tiles(tmp_path / "b")], tmp_path)
    slide.unlink()
    with caplog.at_level(logging.WARNING):
        written = write_attention_maps(tmp_path / "maps", slides, bags, scores, n_maps=2)
    assert [path.name for path in written] == ["0001_part_b.png"]
    assert "no attention map of part/a.tif" in caplog.text
