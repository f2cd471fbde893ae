from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meddino_components.data.image_sets import ImageSet, Sample, Tiling
from meddino_components.errors import InputError

SPLITS = ("train", "train", "train", "val", "val", "test", "test")


def samples(labels=(0, 1, 1, 0, 1, 0, 1), splits=SPLITS):
    rows = [label if isinstance(label, tuple) else (label,) for label in labels]
    return tuple(
        Sample(sample_id=f"s{k}", image=f"/d/{k}.png", index=None, patient=f"p{k}", split=split, labels=row)
        for k, (row, split) in enumerate(zip(rows, splits, strict=True))
    )


def image_set(members=None, **changes):
    settings = {
        "name": "set", "samples": samples() if members is None else members, "label_names": ("cold", "hot"),
        "multi_label": False, "dimensions": 2, "modality": "picture",
    }  # fmt: skip
    return ImageSet(**(settings | changes))


def test_a_split_keeps_order_and_what_labels_mean():
    part = image_set().of("train")
    assert [sample.sample_id for sample in part.samples] == ["s0", "s1", "s2"]
    assert (part.name, part.label_names, part.multi_label, len(part)) == ("set", ("cold", "hot"), False, 3)
    assert part.targets().dtype == np.int64
    np.testing.assert_array_equal(part.targets(), [0, 1, 1])
    np.testing.assert_array_equal(part.positives(), [1, 2])
    with pytest.raises(InputError, match="split is 'training'; expected one of train, val, test"):
        image_set().of("training")


def test_targets_of_several_labels():
    rows = ((1, 0, 1), (0, 0, 0), (0, 1, 0), (1, 1, 1), (0, 0, 0), (1, 1, 1), (0, 0, 0))
    several = image_set(samples(rows), multi_label=True, label_names=("a", "b", "c"))
    np.testing.assert_array_equal(several.of("train").targets(), [[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(several.positives(), [3, 3, 3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"members": ()}, "set: no samples"),
        ({"members": (*samples(), samples()[2])}, "1 sample ids recur: s2"),
        ({"members": samples((0, 1, 2, 0, 1, 0, 1))}, r"s2 has the labels \(2,\); expected 1 of 0..1"),
        ({"members": samples((0, 1, -1, 0, 1, 0, 1))}, r"\(-1,\)"),
        ({"members": samples(((0, 1),) * 7)}, r"\(0, 1\); expected 1"),
        ({"multi_label": True}, r"s0 has the labels \(0,\); expected 2 of 0..1"),
        ({"members": samples()[:5]}, "no sample in split 'test'"),
        ({"members": samples((1, 1, 1, 0, 1, 0, 1))}, "1 of 2 labels have no example.*'train': cold"),
        ({"label_names": ("a", "a")}, "expected names that differ"),
        ({"modality": "ct"}, "modality 'ct' with dimensions 2"),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        image_set(**change)


def test_a_label_that_all_training_samples_have_teaches_nothing():
    rows = ((1, 0), (1, 1), (1, 0), (0, 1), (1, 0), (0, 1), (1, 0))
    with pytest.raises(InputError, match="1 of 2 labels have no example, or no counterexample, in split 'train': cold"):
        image_set(samples(rows), multi_label=True)


def test_a_class_without_test_sample_is_named():
    with pytest.warns(UserWarning, match=r"1 of 2 labels have no example.*'test' and so no score there: hot"):
        image_set(samples((0, 1, 1, 0, 1, 0, 0)))


def test_patients_on_both_sides_are_refused_or_marked():
    leaking = [replace(sample, patient=f"p{k % 5}") for k, sample in enumerate(samples())]
    with pytest.raises(InputError, match=r"2 patients in two splits: p0, p1. .*allow_same_patient"):
        image_set(tuple(leaking))
    allowed = image_set(tuple(leaking), allow_same_patient=True)
    assert allowed.allow_same_patient
    assert allowed.shared_patients() == ("p0", "p1")
    assert image_set().shared_patients() == ()


def test_the_digest_changes_with_samples_labels_and_files(tmp_path):
    members = [replace(sample, image=str(tmp_path / f"{k}.png")) for k, sample in enumerate(samples())]
    for sample in members:
        Path(sample.image).write_bytes(b"1")
    made = image_set(tuple(members))
    changes = [
        {"label_names": ("cold", "warm")},
        {"name": "another"},
        {"tiling": Tiling(tile_px=32)},
        {"samples": tuple(members[:-1])},
        {"samples": tuple(members[::-1])},
        *(
            {"samples": (members[0], replace(members[1], **change), *members[2:])}
            for change in ({"sample_id": "t"}, {"patient": "q"}, {"labels": (0,)}, {"split": "val"}, {"index": 0})
        ),
    ]
    digests = {made.digest(), *(replace(made, **change).digest() for change in changes)}
    assert len(digests) == 1 + len(changes)
    assert image_set(tuple(members)).digest() == made.digest()
    assert made.of("test").digest() != made.digest()
    before = made.digest()
    Path(members[3].image).write_bytes(b"22")
    assert made.digest() != before
