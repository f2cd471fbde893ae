"""What is left of a set when files cannot be read, and what is refused then."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest

from meddino_components.data.image_sets import SPLITS, ImageSet, Sample
from meddino_components.errors import InputError
from meddino_components.probing.image_sets.readable_samples import readable_samples

NAMES = ("healthy", "ill", "very ill")


def image_set(multi_label=False):
    """Six samples a split, two of each class; the samples of a class follow each other."""
    samples = []
    for split in SPLITS:
        for k in range(6):
            labels = tuple(int(k // 2 == c) for c in range(3)) if multi_label else (k // 2,)
            name = f"{split}{k}"
            samples.append(Sample(sample_id=name, image=name, index=None, patient=name, split=split, labels=labels))
    return ImageSet(
        name="toy",
        samples=tuple(samples),
        label_names=NAMES,
        multi_label=multi_label,
        dimensions=2,
        modality="picture",
    )


def embedded(*unreadable):
    """By split, how many items each sample has, as one encoder read them."""
    ids = {split: [f"{split}{k}" for k in range(6)] for split in SPLITS}
    return {
        split: SimpleNamespace(
            lengths=np.array([int(i not in unreadable) for i in names]),
            unreadable={i: "broken" for i in names if i in unreadable},
        )
        for split, names in ids.items()
    }


@pytest.mark.parametrize("multi_label", [False, True])
def test_what_any_encoder_could_not_read_is_left_out_and_not_counted(multi_label):
    found = readable_samples(image_set(multi_label), [embedded("test0", "train5"), embedded("test3")])
    assert found.left_out == {"train": 1, "val": 0, "test": 2}
    assert found.masks["test"].tolist() == [False, True, True, False, True, True]
    assert found.test_positives == [1, 1, 2]
    classes = found.targets["test"].argmax(1) if multi_label else found.targets["test"]
    assert classes.tolist() == [0, 1, 2, 2]
    assert found.test_patients.tolist() == [0, 1, 2, 3]
    assert set(found.reasons) == {"test0", "train5", "test3"}


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_class_that_training_lost_is_named_with_the_cause(multi_label):
    """Each encoder reads an example; no example is read by both."""
    message = (
        "toy: 2 of 6 samples of split 'train' are unreadable, and without them ill has no example, or no counterexample"
    )
    with pytest.raises(InputError, match=message):
        readable_samples(image_set(multi_label), [embedded("train2"), embedded("train3")])


def test_a_label_may_lose_its_counterexamples():
    left = [f"train{k}" for k in range(2, 6)]
    with pytest.raises(InputError, match="without them healthy, ill, very ill has no example, or no counterexample"):
        readable_samples(image_set(multi_label=True), [embedded(*left)])


def test_a_class_that_the_test_lost_has_no_score_there(caplog):
    with caplog.at_level(logging.WARNING):
        found = readable_samples(image_set(), [embedded("test4", "test5")])
    assert found.test_positives == [2, 2, 0]
    assert "2 of 6 samples of split 'test' are unreadable, and without them very ill has no example" in caplog.text


def test_nothing_left_of_a_split():
    with pytest.raises(InputError, match="no sample is left in a split"):
        readable_samples(image_set(), [embedded(*(f"val{k}" for k in range(6)))])
