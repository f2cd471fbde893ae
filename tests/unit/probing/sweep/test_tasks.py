"""The tasks of a sweep: their identity, and sources that are not understood."""

import pytest
from labelled_pictures import medmnist
from PIL import Image

from meddino_components.errors import InputError
from meddino_components.probing import Bootstrap, Encoding, KNearestNeighbours, LinearDecoder, PlaneDecoder, Vectors
from meddino_components.probing.sweep.tasks import classification_task, segmentation_task

BOOTSTRAP = Bootstrap(n_resamples=50)


def classification(root, probes, **changes):
    given = {"vectors": Vectors(), "bootstrap": BOOTSTRAP, "encoding": Encoding(cache_dir="unused"), **changes}
    return classification_task("toy", {"root": str(root), "layout": "medmnist"}, probes=probes, **given)


def segmentation(**source):
    given = {"bootstrap": BOOTSTRAP, "encoding": Encoding(cache_dir="unused"), "seed": 0, "device": "cpu", "amp": False}
    return segmentation_task("masks", source, **given)


def test_the_identity_of_an_image_set_follows_images_probes_and_settings(tmp_path):
    root, probes = medmnist(tmp_path / "set.npz", planted=True), [KNearestNeighbours(n_neighbours=5)]
    task = classification(root, probes)
    assert (task.name, task.main) == ("toy", "AUC")
    first = task.identity()
    assert classification(root, probes).identity() == first
    # how embeddings are computed changes no score
    assert classification(root, probes, encoding=Encoding(cache_dir="other", batch_size=1)).identity() == first
    changed = [
        classification(root, [KNearestNeighbours()]),
        classification(root, probes, vectors=Vectors(pooling="max")),
        classification(root, probes, bootstrap=Bootstrap(n_resamples=60)),
        classification(medmnist(tmp_path / "other.npz", planted=False), probes),
    ]
    assert all(other.identity() != first for other in changed)


@pytest.fixture
def masks(tmp_path):
    for k in range(2):
        Image.new("L", (8, 8), 100 * k).save(tmp_path / f"{k}.png")
        Image.new("L", (8, 8), k).save(tmp_path / f"{k}_mask.png")
    (tmp_path / "masks.csv").write_text("image,mask\n0.png,0_mask.png\n1.png,1_mask.png\n", encoding="utf-8")
    return {
        "dataset_dir": str(tmp_path),
        "layout": "picture_masks",
        "layout_options": {"table": "masks.csv"},
        "label_names": ["background", "bright"],
        "n_folds": 2,
    }


def test_the_identity_of_a_segmentation_holds_what_is_taken_where_nothing_is_given(masks):
    first = segmentation(**masks).identity()
    assert [one["name"] for one in first["decoders"]] == ["linear", "conv_2d"]
    assert first["training"]["iterations"] == 5000
    asked = {"decoders": [LinearDecoder(), PlaneDecoder()], "iterations": 5000, "allow_same_patient": False}
    assert segmentation(**masks, **asked).identity() == first
    assert segmentation(**masks, iterations=4999).identity() != first
    assert segmentation(**masks, decoders=[LinearDecoder()]).identity() != first
    assert segmentation(**masks, decoders=[LinearDecoder(), PlaneDecoder(width=64)]).identity() != first


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"iteration": 4}, "segmentation set masks: unknown iteration; known are"),
        ({"seed": 4}, "segmentation set masks: unknown seed"),
        ({"decoders": ["conv_4d"]}, "decoders contains 'conv_4d'"),
        ({"depth": 0}, "depth is 0, expected 1 or more"),
    ],
)
def test_sources_that_are_not_understood(source, message):
    with pytest.raises(InputError, match=message):
        segmentation(dataset_dir="somewhere", **source)
