"""Slides through an encoder: the same as tile by tile, without all of them in memory."""

import logging
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from slide_writing import section, write_slide, write_tiles

from meddino_components.data.image_sets import Sample, Selection, Tiling, slide_of
from meddino_components.embeddings import FrozenEncoder, embed, pixel_encoder
from meddino_components.embeddings.slide_encoding import PreparedTiles
from meddino_components.errors import InputError

SIZE, TILE = 16, 32


def encoder(batches=None, **settings):
    """Without network; says how many images it was given."""
    encode = pixel_encoder(patch_size=8)

    def counted(images):
        if batches is not None:
            batches.append(len(images))
        return encode(images)

    settings = {"name": "pixels", "patch_size": 8, "digest": "d", "intensity": "picture", **settings}
    return FrozenEncoder(encode=counted, **settings)


def selection(slides, **tiling):
    return Selection(
        name="slides",
        samples=tuple(
            Sample(sample_id=f"s{k}", image=str(path), index=None, patient=f"p{k}", split="train", labels=(0,))
            for k, path in enumerate(slides)
        ),
        label_names=("a", "b"),
        multi_label=False,
        dimensions=2,
        modality="picture",
        tiling=Tiling(**{"tile_px": TILE, **tiling}),
    )


@pytest.fixture
def slides(tmp_path):
    """Two files with 4 and 6 tiles of tissue and a folder of 5 tiles."""
    rng = np.random.default_rng(0)
    paths = [
        write_slide(tmp_path / f"{k}.tif", section((128, 160), [(0, 32, 64, 32 * columns)], seed=k))
        for k, columns in enumerate((3, 4))
    ]
    tiles = {f"{k}.png": rng.integers(0, 255, (20, 24, 3), np.uint8) for k in range(5)}
    return selection([*paths, write_tiles(tmp_path / "folder", tiles)])


def run(samples, folder, frozen=None, **settings):
    settings = {"size_px": SIZE, "progress": False, "batch_size": 3, **settings}
    return embed(samples, frozen or encoder(), cache_dir=folder, **settings)


@pytest.mark.parametrize("intensity", ["picture", "scan"])
def test_the_same_as_tile_by_tile(slides, tmp_path, intensity):
    frozen = encoder(intensity=intensity)
    found = run(slides, tmp_path / "cache", frozen)
    assert found.lengths.tolist() == [4, 6, 5]
    for k, sample in enumerate(slides.samples):
        slide = slide_of(sample.image, slides.tiling)
        origins = slide.find_tiles()
        np.testing.assert_array_equal(found.items(k, "origin"), origins)
        tiles = PreparedTiles(slide, origins, encoder=frozen, size_px=SIZE)
        for number, origin in enumerate(origins):
            pixels = torch.from_numpy(slide.read_tile(origin))
            assert tiles[number].shape == (1, 3, SIZE, SIZE)
            if intensity == "scan":
                assert abs(float(tiles[number].mean())) < 0.5
            vector, patches = frozen.encode(tiles[number])
            np.testing.assert_allclose(found.items(k)[number], vector[0].half())
            np.testing.assert_allclose(found.items(k, "mean_patch")[number], patches.mean(1)[0].half())
            if intensity == "picture":
                shown = vector[0].view(3, -1) * torch.tensor(frozen.std)[:, None] + torch.tensor(frozen.mean)[:, None]
                # tiles of the folder are not square: proportions are kept, the rest is filled up
                if k < 2:
                    torch.testing.assert_close(shown.mean(1), pixels.mean((1, 2)), rtol=0, atol=0.02)


def test_tiles_go_through_in_batches_and_once(slides, tmp_path):
    batches = []
    run(slides, tmp_path / "cache", encoder(batches))
    assert batches == [3, 1, 3, 3, 3, 2]
    batches.clear()
    run(slides, tmp_path / "cache", encoder(batches))
    assert batches == []
    # how a slide becomes tiles decides its embeddings
    run(replace(slides, tiling=Tiling(tile_px=TILE, max_tiles=2)), tmp_path / "cache", encoder(batches))
    assert batches == [2, 2, 2]


def test_a_pass_that_was_stopped_goes_on_at_its_slide(slides, tmp_path):
    def stops(images, calls=[]):  # noqa: B006
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return encoder().encode(images)

    with pytest.raises(KeyboardInterrupt):
        run(slides, tmp_path / "cache", replace(encoder(), encode=stops))
    batches = []
    run(slides, tmp_path / "cache", encoder(batches))
    assert batches == [3, 3, 3, 2]


def test_workers_change_nothing(slides, tmp_path):
    alone = run(slides, tmp_path / "alone")
    state = torch.get_rng_state()
    together = run(slides, tmp_path / "workers", num_workers=2)
    assert torch.equal(torch.get_rng_state(), state)
    for kind in ("cls", "mean_patch", "origin"):
        np.testing.assert_array_equal(alone.all_items(kind), together.all_items(kind))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_slides_that_cannot_be_read_are_named_and_left_out(slides, tmp_path, caplog, num_workers):
    whole = run(slides, tmp_path / "whole")
    first, second, folder = (sample.image for sample in slides.samples)
    write_slide(tmp_path / "blank.tif", section((128, 128), []))
    with open(second, "r+b") as file:
        file.truncate(5000)
    torn = write_tiles(tmp_path / "torn", {f"{k}.png": np.full((9, 9, 3), 30 * k, np.uint8) for k in range(4)})
    (torn / "2.png").write_bytes((torn / "2.png").read_bytes()[:50])
    samples = selection([first, second, tmp_path / "blank.tif", torn, folder])
    with caplog.at_level(logging.WARNING):
        found = run(samples, tmp_path / "cache", num_workers=num_workers)
    assert found.lengths.tolist() == [4, 0, 0, 0, 5]
    assert "slides: 3 of 5 samples left out" in caplog.text
    for number, message in (("s1", "1.tif"), ("s2", "no tile shows tissue"), ("s3", "2.png")):
        assert message in found.unreadable[number]
    np.testing.assert_array_equal(found.items(0), whole.items(0))
    np.testing.assert_array_equal(found.items(4), whole.items(2))


def test_a_tile_that_is_repaired_in_place_is_read_again(tmp_path):
    folder = write_tiles(tmp_path / "a", {f"{k}.png": np.full((9, 9, 3), 30 * k, np.uint8) for k in range(4)})
    other = write_tiles(tmp_path / "b", {"0.png": np.full((9, 9, 3), 7, np.uint8)})
    whole = (folder / "2.png").read_bytes()
    (folder / "2.png").write_bytes(whole[:50])
    assert list(run(selection([folder, other]), tmp_path / "cache").unreadable) == ["s0"]
    (folder / "2.png").write_bytes(whole)
    found = run(selection([folder, other]), tmp_path / "cache")
    assert found.unreadable == {}
    assert found.lengths.tolist() == [4, 1]


def test_a_missing_library_is_not_recorded_against_the_slides(slides, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openslide", None)
    with pytest.raises(InputError, match="needs OpenSlide"):
        run(slides, tmp_path / "cache")
    monkeypatch.undo()
    assert run(slides, tmp_path / "cache").unreadable == {}


def test_a_tile_of_one_colour_is_a_tile(tmp_path):
    """Glass in a folder of tiles says nothing against the slide, where zero deviation says it against a picture."""
    folder = write_tiles(tmp_path / "folder", {"a.png": np.full((8, 8, 3), 200, np.uint8)})
    Image.fromarray(np.full((8, 8), 3, np.uint8)).save(folder / "grey.png")
    found = run(selection([folder]), tmp_path / "cache", encoder(intensity="scan"))
    assert found.lengths.tolist() == [2]
    assert np.abs(found.items(0)).max() < 1e-6
