import numpy as np
import pytest

from meddino_components.data.image_sets import Sample
from meddino_components.data.image_sets.splits import carve_validation, fractions_of, split_by_patient, split_samples
from meddino_components.errors import InputError

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}


def several_images_a_patient(n_patients=200, seed=0):
    """1 to 5 images a patient; labels of 30, 10 and 2 % of the images."""
    rng = np.random.default_rng(seed)
    patients = [f"p{k}" for k in range(n_patients) for _ in range(rng.integers(1, 6))]
    return patients, (rng.random((len(patients), 3)) < (0.3, 0.1, 0.02)).astype(np.int64)


def split(patients, labels, seed=0, fractions=SHARES):
    return split_by_patient(patients=patients, labels=labels, fractions=fractions, seed=seed, name="set")


def test_patients_stay_together_and_labels_are_spread():
    patients, labels = several_images_a_patient()
    splits = np.array(split(patients, labels))
    assert len(set(zip(patients, splits, strict=True))) == len(set(patients))
    for name, share in SHARES.items():
        assert (splits == name).mean() == pytest.approx(share, abs=0.02)
        # of 12 rare ones in whole patients, one more or less
        np.testing.assert_allclose(labels[splits == name].sum(axis=0), share * labels.sum(axis=0), atol=2.5)


def test_the_seed_decides_and_the_order_of_rows_does_not():
    patients, labels = several_images_a_patient()
    splits = split(patients, labels)
    assert split(patients, labels) == splits
    assert split(patients, labels, seed=1) != splits
    order = np.random.default_rng(5).permutation(len(patients))
    shuffled = split([patients[k] for k in order], labels[order])
    assert [splits[k] for k in order] == shuffled


def test_a_class_of_one_patient_goes_to_training():
    labels = np.eye(2, dtype=np.int64)[[0] * 9 + [1]]
    assert split([str(k) for k in range(10)], labels)[-1] == "train"


def test_validation_is_carved_from_training_alone():
    patients, labels = several_images_a_patient()
    samples = [
        Sample(
            sample_id=str(k), image="/x", index=None, patient=patient, split="test" if patient < "p3" else "train",
            labels=tuple(row),
        )
        for k, (patient, row) in enumerate(zip(patients, labels.tolist(), strict=True))
    ]  # fmt: skip
    carved = carve_validation(samples, val_fraction=0.25, seed=0, multi_label=True, name="set")
    assert {s for s in carved if s.split == "test"} == {s for s in samples if s.split == "test"}
    of = {split: {s.patient for s in carved if s.split == split} for split in SHARES}
    assert not of["train"] & of["val"]
    assert not of["val"] & of["test"]
    n_val, n_train = (sum(s.split == split for s in carved) for split in ("val", "train"))
    assert n_val / (n_val + n_train) == pytest.approx(0.25, abs=0.02)


def test_classes_are_stratified():
    samples = [
        Sample(sample_id=str(k), image="/x", index=None, patient=str(k), split="train", labels=(k % 4 % 3,))
        for k in range(400)
    ]
    splits = split_samples(samples, fractions=SHARES, seed=0, multi_label=False, name="set")
    counts = [[sum(s.split == name and s.labels == (c,) for s in splits) for c in range(3)] for name in SHARES]
    assert counts == [[140, 70, 70], [20, 10, 10], [40, 20, 20]]


def test_impossible_splits():
    with pytest.raises(InputError, match="set: 2 patients cannot be split into train, val, test"):
        split(["a", "a", "b"], np.ones((3, 1), np.int64))
    for shares in ((0.5, 0.2, 0.2), (0.8, 0.2, 0), (0.5, 0.5), "abc", (0.7, 0.1, None)):
        with pytest.raises(InputError, match="expected shares of train, val and test"):
            fractions_of(shares)
    for share in (0, 1, 1.5):
        with pytest.raises(InputError, match="val_fraction is"):
            carve_validation([], val_fraction=share, seed=0, multi_label=True, name="set")
    with pytest.raises(InputError, match="no sample is in training"):
        carve_validation([], val_fraction=0.1, seed=0, multi_label=True, name="set")
