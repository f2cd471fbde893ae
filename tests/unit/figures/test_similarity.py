"""Similarity is 1 at the point and the cosine elsewhere; points are the user's or spread over the body."""

import numpy as np
import pytest
import torch
from planted_scans import grey_encoder, write_scan
from torch.testing import assert_close

from meddino_components.embeddings import FrozenEncoder
from meddino_components.figures import draw_similarity, read_scan, similarity_maps
from meddino_components.figures.points import places_of, points_in_square

LIVER = [44, 24, 2]  # voxels of the file


@pytest.fixture
def scan(tmp_path):
    return read_scan(write_scan(tmp_path / "scan.nii.gz"), modality="ct")


def noise_encoder(width=7):
    def encode(images):
        n = (images.shape[-1] // 4) ** 2
        features = torch.randn(1, n, width, generator=torch.Generator().manual_seed(n))
        return features.mean(1), features

    return FrozenEncoder(name="noise", encode=encode, patch_size=4, digest="noise")


def test_similarity_is_the_cosine(scan):
    points = [(0.3, 0.4), (0.9, 0.1)]
    found = similarity_maps(noise_encoder(), scan.slice(2), points, 32)
    assert found.shape == (2, 8, 8)
    patches = noise_encoder().encode(torch.zeros(1, 1, 32, 32))[1][0].numpy()
    for (x, y), map_ in zip(points, found, strict=True):
        at = patches[int(y * 8) * 8 + int(x * 8)]
        by_hand = patches @ at / (np.linalg.norm(patches, axis=1) * np.linalg.norm(at))
        np.testing.assert_allclose(map_.ravel(), by_hand, atol=1e-6)
        assert map_[int(y * 8), int(x * 8)] == pytest.approx(1)


def test_a_point_finds_its_organ_at_every_size(scan):
    slice_ = scan.slice(2)
    (point,) = points_in_square(slice_, places_of(scan, [LIVER], "voxel", None), n_points=0)
    for size in (64, 128):
        (map_,) = similarity_maps(grey_encoder(), slice_, [point], size)
        area = map_.sum() * (128 / size * 4) ** 2
        # 32 x 32 mm by the file, and what interpolation makes of the edges
        assert area == pytest.approx(1024, rel=0.25)
        columns = np.nonzero(map_ > 0.5)[1]
        assert columns.max() < size / 4 / 2


def test_sheet_marks_the_point(scan, tmp_path):
    from matplotlib.image import imread

    slice_ = scan.slice(2)
    points = points_in_square(slice_, places_of(scan, [LIVER], "voxel", None), n_points=0)
    maps = draw_similarity(
        tmp_path / "a.png", encoder=grey_encoder(), slice_=slice_, points=points, size_px=128, dpi=150
    )
    assert_close(maps.max(), np.float32(1))
    page = np.asarray(imread(tmp_path / "a.png"))[..., :3]
    ring = np.abs(page - np.array([0, 0xE5 / 255, 1.0])).sum(-1) < 0.1
    columns = np.flatnonzero(ring.any(0)) / page.shape[1]
    # in both panels, in the half that is the patient's right
    assert ((columns < 0.25) | ((columns > 0.5) & (columns < 0.75))).all()
    assert (columns < 0.25).any()
    assert (columns > 0.5).any()
