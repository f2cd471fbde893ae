import numpy as np
import pytest

from meddino_components.data.image_sets import load_picture
from meddino_components.data.image_sets.medmnist import read_medmnist
from meddino_components.errors import InputError

COUNTS = {"train": 12, "val": 5, "test": 7}


def save(path, size=(28, 28), n_classes=2, **changes):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in COUNTS.items():
        arrays[f"{split}_images"] = rng.integers(0, 255, (n, *size), np.uint8)
        arrays[f"{split}_labels"] = (np.arange(n)[:, None] % n_classes).astype(np.uint8)
    np.savez_compressed(path, **(arrays | changes))
    return path


def test_a_2d_set_with_classes(tmp_path):
    found = read_medmnist(save(tmp_path / "breastmnist_64.npz", (64, 64)))
    assert (found.name, found.dimensions, found.multi_label, found.modality) == ("breastmnist_64", 2, False, "picture")
    assert found.label_names == ("malignant", "normal, benign")
    assert {split: len(found.of(split)) for split in COUNTS} == COUNTS
    np.testing.assert_array_equal(found.of("val").targets(), [0, 1, 0, 1, 0])
    sample = found.of("test").samples[3]
    assert (sample.sample_id, sample.index, sample.patient) == ("test_3", 3, "test_3")
    images = np.load(tmp_path / "breastmnist_64.npz")["test_images"]
    np.testing.assert_allclose(load_picture(sample), images[3][None] / 255, rtol=1e-6)


def test_several_labels_and_colours(tmp_path):
    rows = (np.arange(14) + np.arange(12)[:, None]) % 2
    changes = {f"{split}_labels": rows[:n] for split, n in COUNTS.items()}
    found = read_medmnist(save(tmp_path / "chestmnist.npz", (28, 28, 3), **changes))
    assert (found.dimensions, found.multi_label, len(found.label_names)) == (2, True, 14)
    assert found.label_names[12] == "pleural"
    np.testing.assert_array_equal(found.of("test").targets(), rows[:7])
    assert load_picture(found.samples[0]).shape == (3, 28, 28)


def test_a_3d_set_of_unknown_name(tmp_path):
    found = read_medmnist(save(tmp_path / "mine.npz", (20, 28, 24), n_classes=4))
    assert (found.dimensions, found.label_names) == (3, ("class_0", "class_1", "class_2", "class_3"))
    assert load_picture(found.samples[0]).shape == (1, 28, 24, 20)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val_labels": np.zeros((5, 1))}, "'val_labels' is float64"),
        ({"val_labels": np.zeros((4, 1), np.uint8)}, r"'val_labels' is uint8 \(4, 1\); expected .* for 5 images"),
        ({"val_labels": np.zeros((5, 3), np.uint8)}, r"labels have \[1, 3\] columns"),
        ({"val_labels": np.full((5, 1), 2, np.uint8)}, r"val_0 has the labels \(2,\); expected 1 of 0..1"),
        ({"val_images": np.zeros((5, 28, 28, 28), np.uint8)}, "images have the shapes"),
        ({"val_labels": np.array([None] * 5)}, "array of Python objects"),
    ],
)
def test_other_arrays_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        read_medmnist(save(tmp_path / "breastmnist.npz", **changes))


def test_other_files(tmp_path):
    np.savez(tmp_path / "a.npz", train_images=np.zeros((2, 3, 3)), x=np.zeros(2))
    with pytest.raises(InputError, match=r"no array train_labels, val_images, .*it holds train_images, x"):
        read_medmnist(tmp_path / "a.npz")
    with pytest.raises(InputError, match="no such file"):
        read_medmnist(tmp_path)
