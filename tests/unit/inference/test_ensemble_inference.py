"""Mean probabilities of networks of different windows and grids, block by block."""

import numpy as np
import pytest
import torch
from ensembles import ensemble_of, settings_of, volume, write_member

from meddino_components.checkpoints import load_network_weights
from meddino_components.data import brats_regions
from meddino_components.errors import InputError
from meddino_components.inference import VolumeInferer, network_of_model


@pytest.fixture
def paths(tmp_path):
    """Two networks that differ in window and spacing."""
    first = write_member(tmp_path / "a.pt", seed=1)
    return first, write_member(tmp_path / "b.pt", seed=2, roi_size=[48, 32], pixdim=[1.5, 2.5])


def inferer_of(path, **more):
    settings = settings_of(path)
    return VolumeInferer(roi_size=settings.roi_size, pixdim=settings.pixdim, **more)


def alone(path, image, **more):
    """Labels and probabilities of one network."""
    settings = settings_of(path)
    network = network_of_model(settings=settings)
    load_network_weights(network, path)
    shares = np.zeros((3, *image.shape[2:]), np.float32)
    labels = inferer_of(path, **more)(image, network.eval(), lambda n: shares)
    return np.asarray(labels[0, 0]), shares


def together(image, *paths, **more):
    ensemble = ensemble_of(*paths)
    shares = np.zeros((3, *image.shape[2:]), np.float32)
    labels = inferer_of(paths[0], **more)(image, ensemble, lambda n: shares)
    return np.asarray(labels[0, 0]), shares


def test_probabilities_are_the_mean_of_those_of_each_network(paths):
    image = volume()
    parts = [alone(path, image) for path in paths]
    labels, shares = together(image, *paths)
    np.testing.assert_allclose(shares, (parts[0][1] + parts[1][1]) / 2, atol=1e-3)  # stored in float16
    top = np.sort(shares, axis=0)
    clear = top[-1] - top[-2] > 2e-3
    assert clear.mean() > 0.5
    assert np.array_equal(labels[clear], shares.argmax(0)[clear])
    assert not np.array_equal(labels, parts[0][0])
    assert not np.array_equal(labels, parts[1][0])


def test_two_copies_give_the_labels_of_one(paths, tmp_path):
    image = volume()
    for path in paths:
        copy = tmp_path / f"copy of {path.name}"
        copy.write_bytes(path.read_bytes())
        assert np.array_equal(together(image, path, copy)[0], alone(path, image)[0])


def test_the_order_has_no_effect(paths):
    image = volume()
    first, second = together(image, *paths), together(image, *reversed(paths))
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])


def test_blocks_of_few_slices_give_the_same(paths):
    image = volume(shape=(48, 40, 9))
    assert np.array_equal(
        together(image, *paths)[0], together(image, *paths, score_memory_mb=0.05, slice_batch_size=1)[0]
    )


def test_a_crop_to_the_body_is_sure_of_the_background_outside(paths):
    image = torch.full_like(volume(shape=(64, 64, 4)), -5)
    image[..., 10:50, 12:45, 1:3] = volume(shape=(40, 33, 2)).as_tensor()
    labels, shares = together(image, *paths, crop_to_body=True)
    assert labels.shape == (64, 64, 4)
    assert (shares.sum(0) > 0.99).all()


def test_regions_have_the_mean_of_sigmoids(tmp_path):
    regions = brats_regions("brats2021")
    stated = {
        "convention": regions.convention,
        "names": list(regions.names),
        "members": [list(one) for one in regions.members],
        "written": list(regions.written),
    }
    labels = {0: "background", **dict(regions.label_names)}
    paths = [write_member(tmp_path / f"{n}.pt", seed=n, labels=labels, regions=stated) for n in (1, 2)]
    image = volume()
    parts = [alone(path, image, regions=regions) for path in paths]
    found, shares = together(image, *paths, regions=regions)
    mean = (parts[0][1] + parts[1][1]) / 2
    np.testing.assert_allclose(shares, mean, atol=1e-3)
    written = np.zeros(found.shape, np.uint8)
    for number, label in enumerate(regions.written):
        written[mean[number] > 0.5] = label
    clear = (abs(mean - 0.5) > 2e-3).all(0)
    assert np.array_equal(found[clear], written[clear])
    copies = together(image, paths[0], paths[0], regions=regions)
    assert np.array_equal(copies[0], parts[0][0])


def test_not_finite_scores_name_the_slice(paths):
    image = volume()
    image[0, 0, 3, 5, 3] = torch.nan
    with pytest.raises(InputError, match="slice 3: the network's scores are not finite"):
        together(image, *paths)
