"""Samples of several crops as a pure function of (seed, sample index)."""

import pickle
from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from slices_in_memory import SlicesInMemory, random_store
from torch.testing import assert_close
from torch.utils.data import DataLoader

from meddino_components import processes
from meddino_components.data import GlobalBatchSampler
from meddino_components.data.crops.crop_collate import CropCollate
from meddino_components.data.crops.distortions import CropDistortions
from meddino_components.data.crops.multi_crop import MultiCropDataset
from meddino_components.data.crops.rendering import render_batch

SMALL = {"global_crops_size": 32, "local_crops_size": 16, "n_local_crops": 3, "distortions": CropDistortions()}
MIXED = {
    "global_crops_size": [512, 768, 768, 768, 768],
    "local_crops_size": [112, 112, 168, 224, 336],
    "gram_teacher_crops_size": [768, 1152, 1152, 1152, 1152],
    "size_ratios": [0.3, 0.3, 0.3, 0.05, 0.05],
}
SMALL_MIXED = {"global_crops_size": [32, 48, 48], "local_crops_size": [16, 16, 24]}


def dataset(store=None, **settings):
    return MultiCropDataset(store=random_store() if store is None else store, **SMALL | settings)


def batches(n, *, batch_size=2, num_workers=0, start=0, **settings):
    sampler = GlobalBatchSampler(batch_size=batch_size)
    sampler.start_iteration = start
    data = dataset(batch_size=batch_size, **settings)
    collate = CropCollate(seed=data.seed, patch_size=8)
    loader = DataLoader(data, batch_sampler=sampler, num_workers=num_workers, collate_fn=collate)
    return list(islice(loader, n))


def assert_same(batch, other):
    assert batch.keys() == other.keys()
    for key, value in batch.items():
        assert torch.equal(value, other[key]) if isinstance(value, torch.Tensor) else value == other[key], key


def on_rank(monkeypatch, rank, size):
    monkeypatch.setattr(processes.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(processes.dist, "get_rank", lambda: rank)
    monkeypatch.setattr(processes.dist, "get_world_size", lambda: size)


def test_what_a_sample_holds():
    sample = dataset(gram_teacher_crops_size=48)[3]
    assert sample["index"] == 3
    shapes = {kind: [tuple(crop.shape) for crop in sample[kind]] for kind in sample if kind != "index"}
    assert shapes == {
        "global_crops": [(1, 32, 32)] * 2,
        "local_crops": [(1, 16, 16)] * 3,
        "gram_teacher_crops": [(1, 48, 48)] * 2,
    }
    assert all(crop.dtype == torch.float32 for kind in shapes for crop in sample[kind])
    assert set(dataset(n_local_crops=0)[0]) == {"index", "global_crops"}


def test_samples_depend_on_seed_and_index_alone():
    first, again, other = dataset(), dataset(), dataset(seed=1)
    for _ in range(3):
        first[7]
    assert all(torch.equal(a, b) for a, b in zip(first[2]["global_crops"], again[2]["global_crops"], strict=True))
    assert not torch.equal(first[2]["global_crops"][0], other[2]["global_crops"][0])
    # the next epoch cuts other windows
    plans = [first.plan(index, shape=(64, 48), spacing_mm=(1.0, 1.0))["local_crops"].windows for index in (2, 7)]
    assert not np.array_equal(*plans)


def test_every_epoch_shows_each_slice_once():
    constant = [np.full((1, 20, 20), 100 * k, np.int16) for k in range(6)]
    data = dataset(SlicesInMemory(constant), distortions=None)
    for epoch in range(2):
        shown = [data[index]["global_crops"][0].mean() for index in range(6 * epoch, 6 * epoch + 6)]
        hu = torch.stack(shown) * 178.0166321 + 65.1084213
        assert sorted(hu.round().int().tolist()) == [0, 100, 200, 300, 400, 500]


def test_any_number_of_workers_gives_the_same_batches():
    alone = batches(4)
    for batch, other in zip(batches(4, num_workers=2), alone, strict=True):
        assert_same(batch, other)


def test_a_resumed_run_goes_on_with_the_same_batches():
    whole = batches(5)
    for batch, other in zip(batches(2, start=3), whole[3:], strict=True):
        assert_same(batch, other)


@pytest.mark.parametrize("settings", [{}, SMALL_MIXED])
def test_processes_share_the_batch_of_one(monkeypatch, settings):
    whole = batches(3, batch_size=4, **settings)
    parts = []
    for rank in range(2):
        on_rank(monkeypatch, rank, 2)
        parts.append(batches(3, batch_size=2, **settings))
    for batch, *shares in zip(whole, *parts, strict=True):
        for key in ("global_crops", "local_crops", "masks"):
            of_crops = [share[key].unflatten(0, (-1, 2)) for share in shares]
            assert torch.equal(torch.cat(of_crops, dim=1).flatten(0, 1), batch[key]), key


def test_rendering_later_gives_the_same_batch():
    settings = {"gram_teacher_crops_size": 48}
    for now, later in zip(batches(2, **settings), batches(2, render=False, **settings), strict=True):
        rendered = render_batch(later.pop("unrendered"), torch.device("cpu"))
        for kind, crops in rendered.items():
            assert_close(crops, now.pop(kind), atol=1e-4, rtol=0)
        assert_same(later, now)


def test_gram_teacher_crops_are_undistorted_and_show_the_global_windows():
    always = CropDistortions(noise_probability=1.0)
    plans = dataset(gram_teacher_crops_size=48, distortions=always).plan(0, shape=(64, 48), spacing_mm=(1.0, 1.0))
    own, shown = plans["gram_teacher_crops"], plans["global_crops"]
    assert np.array_equal(own.windows, shown.windows)
    assert np.array_equal(own.flips, shown.flips)
    assert own.distortions is None
    assert (shown.distortions.noise_std > 0).all()
    sample = dataset(gram_teacher_crops_size=32, distortions=None)[0]
    for own, shown in zip(sample["gram_teacher_crops"], sample["global_crops"], strict=True):
        assert torch.equal(own, shown)


def test_flips():
    def share_flipped(probability):
        data = dataset(flip_probability=probability)
        plans = [data.plan(index, shape=(9, 9), spacing_mm=(1.0, 1.0)) for index in range(300)]
        return np.mean([plan["local_crops"].flips for plan in plans])

    assert share_flipped(0.0) == 0
    assert abs(share_flipped(0.5) - 0.5) < 0.05
    assert share_flipped(1.0) == 1


def test_mixed_sizes_come_by_ratio_one_an_iteration():
    data = dataset(batch_size=4, **MIXED)
    drawn = []
    for iteration in range(600):
        of_samples = {
            tuple(plan.size for plan in data.plan(4 * iteration + k, shape=(9, 9), spacing_mm=(1, 1)).values())
            for k in (0, 3)
        }
        assert len(of_samples) == 1
        drawn.extend(of_samples)
    counts = Counter(drawn)
    expected = zip(*(MIXED[f"{kind}_crops_size"] for kind in ("global", "local", "gram_teacher")), strict=True)
    for sizes, ratio in zip(expected, MIXED["size_ratios"], strict=True):
        assert abs(counts.pop(sizes) / 600 - ratio) < 0.06
    assert not counts


def test_hostile_slices():
    pixels = [np.zeros((1, 1, 1)), np.full((1, 3, 500), -32768), np.full((1, 200, 2), 32767), np.zeros((1, 40, 40))]
    data = dataset(SlicesInMemory([values.astype(np.int16) for values in pixels]))
    for index in range(40):
        sample = data[index]
        assert all(crop.isfinite().all() for kind in ("global_crops", "local_crops") for crop in sample[kind])


def test_a_store_smaller_than_a_batch_and_batches_of_one():
    assert batches(1, batch_size=7, store=random_store(2))[0]["global_crops"].shape == (14, 1, 32, 32)
    assert batches(1, batch_size=1)[0]["global_crops"].shape == (2, 1, 32, 32)


def test_spawned_workers_can_take_it():
    data, collate = pickle.loads(pickle.dumps((dataset(), CropCollate(patch_size=8))))
    assert_same(collate([data[0]]), CropCollate(patch_size=8)([dataset()[0]]))


def test_one_local_size_goes_with_all_global_ones():
    assert dataset(global_crops_size=[32, 48]).sizes == [(32, 16, None), (48, 16, None)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"global_crops_size": [32, 48], "local_crops_size": [16]}, "equally many crop sizes of each kind"),
        ({"global_crops_size": 0}, "at least 1"),
        ({"size_ratios": [0.5, 0.5]}, "must be 1 numbers"),
        ({"local_crops_scale": (0.5, 0.1)}, "local_crops_scale must be two shares"),
        ({"flip_probability": 2.0}, "flip_probability within 0 and 1"),
        ({"n_global_crops": 0}, "from 1"),
        ({"store": SlicesInMemory([])}, "contains no slices"),
    ],
)
def test_refuses_settings_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        dataset(**settings)
