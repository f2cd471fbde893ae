"""Which slices a sheet shows."""

import pytest
import torch
from PIL import Image
from planted_slices import PATCH, planted_slices

from meddino_components.embeddings import pixel_encoder
from meddino_components.features import FeaturePictures, feature_pictures
from meddino_components.features.patch_features import extract_features


@pytest.fixture
def drawn():
    slices = planted_slices(7)
    return slices, extract_features(pixel_encoder(patch_size=PATCH), slices, patch_size=PATCH)


def test_slices_are_evenly_spaced_and_their_own_features_are_drawn(drawn, tmp_path, monkeypatch):
    slices, features = drawn
    calls = []
    monkeypatch.setattr(feature_pictures, "write_feature_maps", lambda path, **given: calls.append((path, given)))
    pictures = FeaturePictures(n_pictures=3, n_points=2, window=(0, 5))
    pictures.draw(tmp_path / "a.png", slices, features, title="encoder", note="good")
    ((path, given),) = calls
    assert path == tmp_path / "a.png"
    numbers = [next(k for k, one in enumerate(slices) if one is chosen) for chosen in given["slices"]]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == 3
    assert torch.equal(given["patches"], features.patches[numbers])
    assert (given["n_points"], given["window"], given["title"], given["note"]) == (2, (0, 5), "encoder", "good")


def test_a_sheet_is_written_and_its_colours_are_those_of_the_next(drawn, tmp_path):
    slices, features = drawn
    pictures = FeaturePictures(n_pictures=2)
    first = pictures.draw(tmp_path / "a.png", slices, features, title="first")
    second = pictures.draw(tmp_path / "b.png", slices, features, title="second", previous=first.scores)
    assert torch.allclose(first.rgb, second.rgb, atol=1e-5)
    with Image.open(tmp_path / "b.png") as picture:
        assert picture.height > picture.width / 3
