"""Training slices as a pure function of (seed, sample index)."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from array_cases import write_case
from command_lines import REPOSITORY
from slice_samples import augmented, bundle_keys, dataset, digest, random_cases
from torch.utils.data import DataLoader

from meddino_components.errors import InputError


def test_a_sample_depends_on_neither_order_nor_what_was_drawn_before(tmp_path):
    forwards = [digest(augmented(tmp_path)[i]) for i in range(12)]
    other = augmented(tmp_path)
    np.random.seed(5), torch.manual_seed(5)  # noqa: NPY002
    backwards = {i: digest(other[i]) for i in reversed(range(12))}
    assert [backwards[i] for i in range(12)] == forwards
    assert len(set(forwards)) == 12
    assert digest(augmented(tmp_path, seed=1)[0]) not in forwards


def test_workers_draw_what_the_process_itself_draws(tmp_path):
    samples = augmented(tmp_path)
    expected = [digest(samples[i]) for i in range(8)]
    loader = DataLoader(samples, sampler=range(8), batch_size=None, num_workers=2)
    assert [digest(sample) for sample in loader] == expected


ELSEWHERE = """
import json, sys
from pathlib import Path
from pytest import MonkeyPatch
from slice_samples import augmented, bundle_keys, digest
folder, cases = Path(sys.argv[1]), json.loads(sys.argv[2])
samples = augmented(folder)
print(json.dumps([[digest(samples[i]) for i in range(4)], bundle_keys(cases, MonkeyPatch())]))
"""


@pytest.mark.slow
def test_another_process_draws_the_same_samples_and_finds_the_same_cache(tmp_path, monkeypatch):
    samples, cases = augmented(tmp_path), random_cases(tmp_path)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")}
    path = os.pathsep.join(map(str, (REPOSITORY / "tests" / "support", REPOSITORY)))
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path), json.dumps(cases)],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": path},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    digests, keys = json.loads(done.stdout.splitlines()[-1])
    assert digests == [digest(samples[i]) for i in range(4)]
    assert keys == bundle_keys(cases, monkeypatch)
    assert stamps == {path: path.stat().st_mtime_ns for path in stamps}


def test_samples_have_the_networks_size_and_the_labels_of_their_place(tmp_path):
    sample = augmented(tmp_path)[0]
    assert (sample["image"].shape, sample["label"].shape) == ((1, 16, 16), (1, 16, 16))
    assert set(sample["label"].unique().tolist()) <= {0, 1, 2, 3}


def test_samples_are_plain_tensors(tmp_path):
    assert type(augmented(tmp_path)[0]["image"]) is torch.Tensor


def numbered_slices(folder, label, n_slices=50, plane=(20, 20)):
    """A volume whose intensity is the slice's number."""
    volume = np.broadcast_to(np.arange(n_slices, dtype=np.float32), (*plane, n_slices))
    return write_case(folder, "numbered", volume, label)


@pytest.mark.parametrize("fraction", [0.0, 0.33, 1.0])
def test_foreground_is_oversampled_as_often_as_asked(tmp_path, fraction):
    label = np.zeros((20, 20, 50))
    label[9, 11, 12] = 1
    case = numbered_slices(tmp_path, label)
    samples = dataset(tmp_path, [case], roi_size=(8, 8), foreground_fraction=fraction)
    n = 500
    drawn = [samples[i] for i in range(n)]
    found = sum(float(sample["image"][0, 0, 0]) == 12 for sample in drawn) / n
    expected = fraction + (1 - fraction) / 50
    assert found == pytest.approx(expected, abs=4 * (expected * (1 - expected) / n) ** 0.5)
    if fraction == 1:
        # displaced by at most a quarter of the patch, so that the voxel is inside
        assert all(int(sample["label"].sum()) == 1 for sample in drawn)
        places = {tuple(np.argwhere(sample["label"][0].numpy() == 1)[0].tolist()) for sample in drawn}
        assert len(places) > 10


def test_classes_are_drawn_evenly_whatever_their_size(tmp_path):
    label = np.zeros((20, 20, 50))
    label[:, :, :10] = 1
    label[5, 5, 40] = 2
    samples = dataset(tmp_path, [numbered_slices(tmp_path, label)], roi_size=(8, 8), foreground_fraction=1.0)
    n = 400
    small = sum(float(samples[i]["image"][0, 0, 0]) == 40 for i in range(n)) / n
    assert small == pytest.approx(0.5, abs=0.1)


def test_background_alone_can_be_sampled(tmp_path):
    case = numbered_slices(tmp_path, np.zeros((20, 20, 50)))
    samples = dataset(tmp_path, [case], roi_size=(8, 8), foreground_fraction=1.0)
    slices = [float(samples[i]["image"][0, 0, 0]) for i in range(200)]
    assert len(set(slices)) > 40


@pytest.mark.parametrize(("background", "outside"), [(None, 0), (-5.0, -5)])
def test_a_patch_larger_than_the_slice_is_padded_as_at_inference(tmp_path, background, outside):
    volume = np.random.default_rng(0).uniform(10, 20, (6, 9, 2))
    label = np.ones((6, 9, 2))
    case = write_case(tmp_path, "small", volume, label)
    samples = dataset(tmp_path, [case], roi_size=(16, 16), background=background)
    for i in range(4):
        image, marked = samples[i]["image"][0], samples[i]["label"][0]
        inside = torch.zeros(16, 16, dtype=torch.bool)
        inside[5:11, 3:12] = True
        assert (image[~inside] == outside).all()
        assert torch.equal(marked == 1, inside)
        expected = [volume[..., k].astype(np.float16).astype(np.float32) for k in range(2)]
        assert any(np.array_equal(image[inside].reshape(6, 9).numpy(), slice_) for slice_ in expected)


def test_windows_stay_inside_the_slice(tmp_path):
    rows, columns = np.mgrid[:30, :40]
    place = np.repeat((rows * 40 + columns)[..., None], 3, axis=2)
    case = write_case(tmp_path, "places", place, np.zeros_like(place))
    samples = dataset(tmp_path, [case])
    starts = [int(samples[i]["image"][0, 0, 0]) for i in range(300)]
    found = {(start // 40, start % 40) for start in starts}
    assert {row for row, _ in found} >= {0, 14}
    assert {column for _, column in found} >= {0, 24}
    assert all(row <= 14 and column <= 24 for row, column in found)


@pytest.mark.parametrize("context_slices", [1, 3])
def test_neighbours_are_channels_and_repeat_at_the_ends(tmp_path, context_slices):
    case = numbered_slices(tmp_path, np.zeros((20, 20, 4)), n_slices=4)
    samples = dataset(tmp_path, [case], context_slices=context_slices)
    found = {tuple(samples[i]["image"][:, 0, 0].tolist()) for i in range(60)}
    if context_slices == 1:
        assert found == {(0,), (1,), (2,), (3,)}
    else:
        assert found == {(0, 0, 1), (0, 1, 2), (1, 2, 3), (2, 3, 3)}


def test_label_is_that_of_the_middle_slice(tmp_path):
    label = np.broadcast_to(np.arange(4), (20, 20, 4))
    samples = dataset(tmp_path, [numbered_slices(tmp_path, label, n_slices=4)], context_slices=3)
    for i in range(20):
        assert samples[i]["label"].unique().tolist() == [samples[i]["image"][1, 0, 0]]


def test_refuses_what_cannot_be_sampled(tmp_path):
    with pytest.raises(InputError, match="training datalist is empty: check dataset_dir, fold and modality"):
        dataset(tmp_path, [])
    with pytest.raises(ValueError, match="context_slices must be 1 or 3, got 2"):
        dataset(tmp_path, random_cases(tmp_path, 1), context_slices=2)


def test_samples_of_partial_cases_say_which_classes_were_annotated(tmp_path):
    image, names = np.zeros((8, 8, 2)), ["background", "a", "b"]
    full = write_case(tmp_path, "full", image, np.full((8, 8, 2), 2.0))
    part = write_case(tmp_path, "part", image, np.ones((8, 8, 2))) | {"annotated": ["a"]}
    samples = dataset(tmp_path, [full, part], roi_size=(8, 8), num_classes=3, label_names=names)
    assert samples.partial
    found = {
        sample["label"][0, 0, 0].item(): sample["annotated"].tolist() for sample in map(samples.__getitem__, range(9))
    }
    assert found == {2.0: [True, True, True], 1.0: [True, True, False]}
    whole = dataset(tmp_path, [full], roi_size=(8, 8), num_classes=3, label_names=names)
    assert not whole.partial
    assert set(whole[0]) == {"image", "label"}
    with pytest.raises(InputError, match="case part: annotated names 'c'"):
        dataset(tmp_path, [full, part | {"annotated": ["c"]}], num_classes=3, label_names=names)


def test_voxels_that_nobody_annotated_are_no_class_and_no_centre(tmp_path):
    label = np.zeros((40, 40, 2))
    label[2, 3, 0], label[30:, 30:, 1] = 1, 255
    case = write_case(tmp_path, "c", np.zeros(label.shape), label)
    samples = dataset(tmp_path, [case], roi_size=(8, 8), foreground_fraction=1.0, num_classes=2)
    assert samples.partial
    drawn = [samples[index] for index in range(20)]
    assert {tuple(sample["label"].unique().tolist()) for sample in drawn} <= {(0.0,), (0.0, 1.0)}
    assert all(sample["annotated"].tolist() == [True, True] for sample in drawn)
    only = write_case(tmp_path, "only", np.zeros(label.shape), np.where(label == 1, 255, label))
    samples = dataset(tmp_path, [only], roi_size=(8, 8), foreground_fraction=1.0, num_classes=2)
    assert samples.volumes[0].draw_foreground(np.random.default_rng(0)) is None
    assert any((samples[index]["label"] == 255).any() for index in range(20))
