"""The pass over an image set: the same as one image after the other, once, whatever is torn or stopped."""

import logging
import os
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from image_selections import SIZE, Counting, selection
from monai.transforms import Compose, Orientationd
from volume_files import ct_voxels, save_nifti, write_dicom_series

from meddino_components.data.image_sets import load_picture
from meddino_components.data.volumes.intensity import NormalizeIntensityByModalityd
from meddino_components.data.volumes.loading import LoadVolumed
from meddino_components.embeddings import embed, frozen_backbone, pixel_encoder
from meddino_components.embeddings.prepared_images import PreparedImages
from meddino_components.errors import InputError
from meddino_components.features import ReferenceSlices
from meddino_components.networks import DinoVisionTransformer
from meddino_components.slice_planes import AXIAL

HALF = {"rtol": 0, "atol": 2e-3}  # 16 bits of numbers below 4


def run(samples, encoder, folder, **settings):
    return embed(
        samples, encoder, cache_dir=folder, **{"size_px": SIZE, "progress": False, "batch_size": 3, **settings}
    )


def all_items(found, kind="cls"):
    return [np.array(found.items(k, kind)) for k in range(len(found.lengths))]


def test_the_same_as_one_by_one(pictures, tmp_path):
    torch.manual_seed(0)
    backbone = DinoVisionTransformer(patch_size=8, embed_dim=32, depth=2, num_heads=2)
    encoder = frozen_backbone("ours", backbone, intensity="picture")
    kinds = ("cls", "mean_patch", "patches")
    found = run(pictures, encoder, tmp_path / "cache", kinds=kinds)
    assert found.lengths.tolist() == [1] * 7
    images = PreparedImages(pictures, encoder=encoder, size_px=SIZE)
    for k in range(7):
        with torch.no_grad():
            vector, patches = encoder.encode(images[k])
        expected = {"cls": vector, "mean_patch": patches.mean(1), "patches": patches}
        for kind in kinds:
            np.testing.assert_allclose(found.items(k, kind).astype(np.float32), expected[kind].numpy(), **HALF)


def test_a_second_call_reads_and_encodes_nothing(pictures, tmp_path, monkeypatch):
    counting = Counting()
    first = run(pictures, counting.frozen, tmp_path / "cache")
    assert counting.batches == [3, 3, 1]
    counting.batches.clear()

    def fails(self, index):
        raise AssertionError("a picture is read")

    monkeypatch.setattr(PreparedImages, "__getitem__", fails)
    second = run(pictures, counting.frozen, tmp_path / "cache")
    assert counting.batches == []
    for a, b in zip(all_items(first), all_items(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_makes_embeddings_anew(pictures, tmp_path):
    counting = Counting()

    def encodes(samples=pictures, encoder=counting.frozen, **settings):
        counting.batches.clear()
        run(samples, encoder, tmp_path / "cache", **settings)
        return bool(counting.batches)

    assert encodes()
    assert not encodes()
    assert encodes(size_px=24)
    for change in ({"digest": "e"}, {"mean": (0.0, 0.0, 0.0)}, {"std": (1.0, 1.0, 1.0)}, {"intensity": "scan"}):
        assert encodes(encoder=replace(counting.frozen, **change))
    # two samples change places: the files and ids stay the same ones
    members = [*pictures.samples]
    a, b = members[0].image, members[1].image
    members[0], members[1] = replace(members[0], image=b), replace(members[1], image=a)
    assert encodes(replace(pictures, samples=tuple(members)))
    assert not encodes()
    os.utime(pictures.samples[3].image, ns=(1, 1))
    assert encodes()


def test_a_torn_picture_is_named_and_the_others_are_right(pictures, tmp_path, caplog):
    whole = run(pictures, Counting().frozen, tmp_path / "whole")
    with open(pictures.samples[3].image, "r+b") as file:
        file.truncate(60)
    with caplog.at_level(logging.WARNING):
        found = run(pictures, Counting().frozen, tmp_path / "torn")
    assert "set: 1 of 7 samples left out" in caplog.text
    assert pictures.samples[3].image in caplog.text
    assert list(found.unreadable) == ["s3"]
    assert found.lengths.tolist() == [1, 1, 1, 0, 1, 1, 1]
    for k in (0, 1, 2, 4, 5, 6):
        np.testing.assert_array_equal(found.items(k), whole.items(k))


def test_nothing_can_be_read(pictures, tmp_path):
    for sample in pictures.samples:
        os.remove(sample.image)
    with pytest.raises(InputError, match="none of 7 samples can be read") as error:
        run(pictures, Counting().frozen, tmp_path / "cache")
    assert str(error.value).count(".png") == 5
    assert "and 2 more" in str(error.value)


def test_a_missing_library_is_not_recorded_against_the_files(pictures, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(InputError, match="needs Pillow"):
        run(pictures, Counting().frozen, tmp_path / "cache")
    monkeypatch.undo()
    assert run(pictures, Counting().frozen, tmp_path / "cache").unreadable == {}


def test_a_pass_that_was_stopped_goes_on(tmp_path):
    """A part of volumes has eight; the second fails half way."""
    paths = [save_nifti(tmp_path / f"{k}.nii.gz", ct_voxels(k)) for k in range(10)]
    samples = selection(paths, modality="ct", dimensions=3)
    counting = Counting()
    encode, calls = counting.frozen.encode, []

    def stops(images):
        calls.append(len(images))
        if len(calls) == 9:
            raise KeyboardInterrupt
        return encode(images)

    with pytest.raises(KeyboardInterrupt):
        run(samples, replace(counting.frozen, encode=stops), tmp_path / "cache", batch_size=5)
    counting.batches.clear()
    found = run(samples, counting.frozen, tmp_path / "cache", batch_size=5)
    assert counting.batches == [5, 5]
    whole = run(samples, counting.frozen, tmp_path / "whole", batch_size=5)
    for a, b in zip(all_items(found), all_items(whole), strict=True):
        np.testing.assert_array_equal(a, b)


def test_volumes_are_slices_as_they_are_judged_elsewhere(volumes, tmp_path):
    """What `ReferenceSlices` makes of the same file."""
    counting = Counting(intensity="scan")
    preprocessing = Compose(
        [
            LoadVolumed("image"),
            Orientationd("image", axcodes=AXIAL, labels=None),
            NormalizeIntensityByModalityd("image"),
        ]
    )
    images = PreparedImages(volumes, encoder=counting.frozen, size_px=SIZE)
    found = run(volumes, counting.frozen, tmp_path / "cache", kinds=("cls", "patches"))
    assert found.lengths.tolist() == [3, 5, 7]
    for k, sample in enumerate(volumes.samples):
        case = {"image": sample.image, "modality": "ct", "case_id": "c"}
        slices = ReferenceSlices(data=[case], preprocessing=preprocessing, size_px=SIZE)
        expected = torch.stack([item["image"] for item in slices])
        assert expected.shape == (3 + 2 * k, 1, SIZE, SIZE)
        assert torch.equal(images[k], expected)
        vectors, patches = pixel_encoder(patch_size=8)(expected)
        np.testing.assert_array_equal(found.items(k), vectors.half().numpy())
        np.testing.assert_array_equal(found.items(k, "patches"), patches.half().numpy())


def test_a_torn_volume_is_named(volumes, tmp_path, caplog):
    path = volumes.samples[1].image
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) // 2)
    found = run(volumes, Counting(intensity="scan").frozen, tmp_path / "cache")
    assert found.lengths.tolist() == [3, 0, 7]
    assert path in found.unreadable["s1"]


def test_a_dicom_slice_that_is_repaired_in_place_is_read_again(volumes, tmp_path):
    folder = write_dicom_series(tmp_path / "series", ct_voxels())
    samples = selection([volumes.samples[0].image, folder], modality="ct", dimensions=3)
    whole = (folder / "002.dcm").read_bytes()
    (folder / "002.dcm").write_bytes(whole[:-200])
    assert list(run(samples, Counting(intensity="scan").frozen, tmp_path / "cache").unreadable) == ["s1"]
    (folder / "002.dcm").write_bytes(whole)
    found = run(samples, Counting(intensity="scan").frozen, tmp_path / "cache")
    assert found.unreadable == {}
    assert found.lengths.tolist() == [3, 5]


def test_errors_of_the_machine_are_not_blamed_on_a_file(volumes, tmp_path, monkeypatch):
    def no_memory(*arguments, **settings):
        raise RuntimeError("not enough memory")

    monkeypatch.setattr("meddino_components.embeddings.prepared_images.fit_to_square", no_memory)
    with pytest.raises(RuntimeError, match="not enough memory"):
        run(volumes, Counting(intensity="scan").frozen, tmp_path / "cache")


def test_workers_and_batches_change_nothing(pictures, volumes, tmp_path):
    for samples, intensity in ((pictures, "picture"), (volumes, "scan")):
        alone = run(samples, Counting(intensity=intensity).frozen, tmp_path / "alone")
        state = torch.get_rng_state()
        together = run(samples, Counting(intensity=intensity).frozen, tmp_path / "w", num_workers=2, batch_size=32)
        assert torch.equal(torch.get_rng_state(), state)
        for a, b in zip(all_items(alone), all_items(together), strict=True):
            np.testing.assert_array_equal(a, b)


def test_batches_are_filled_across_samples(volumes, tmp_path):
    """3, 5 and 7 slices in batches of at most four."""
    counting = Counting(intensity="scan")
    run(volumes, counting.frozen, tmp_path / "cache", batch_size=4)
    assert counting.batches == [4, 4, 4, 3]


def test_images_of_one_array(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "set.npz"
    np.savez_compressed(path, train_images=rng.integers(0, 255, (5, 12, 12), np.uint8))
    samples = selection([path] * 5, indices=[4, 3, 2, 1, 0])
    found = run(samples, Counting(mean=(0, 0, 0), std=(1, 1, 1)).frozen, tmp_path / "cache", size_px=24)
    for k, sample in enumerate(samples.samples):
        mean = load_picture(sample).mean()
        np.testing.assert_allclose(found.items(k).astype(np.float32).mean(), mean, atol=0.02)


def test_only_a_packed_array_is_opened_before_the_workers(pictures, tmp_path, monkeypatch):
    read_here = []  # workers write to copies

    def load(sample):
        read_here.append(sample.sample_id)
        return load_picture(sample)

    monkeypatch.setattr("meddino_components.embeddings.prepared_images.load_picture", load)
    assert run(pictures, Counting().frozen, tmp_path / "cache", num_workers=1).lengths.sum() == 7
    assert not read_here
    np.savez_compressed(tmp_path / "set.npz", train_images=np.arange(5 * 144).reshape(5, 12, 12).astype(np.uint8))
    packed = selection([tmp_path / "set.npz"] * 5, indices=range(5))
    assert run(packed, Counting().frozen, tmp_path / "cache", num_workers=1).lengths.sum() == 5
    assert read_here == ["s0"]


@pytest.mark.parametrize(
    ("settings", "size_px", "message"),
    [
        ({}, 20, "needs a multiple of 8"),
        ({}, 0, "needs a multiple of 8"),
        ({"fixed_size_px": 32}, 16, "takes 32 alone"),
    ],
)
def test_sizes_that_do_not_suit(pictures, tmp_path, settings, size_px, message):
    with pytest.raises(InputError, match=message):
        run(pictures, Counting(**settings).frozen, tmp_path / "cache", size_px=size_px)
    assert not (tmp_path / "cache").exists()


def test_the_one_size_of_an_encoder(pictures, tmp_path):
    assert run(pictures, Counting(fixed_size_px=SIZE).frozen, tmp_path / "cache").lengths.sum() == 7


@pytest.mark.parametrize("value", [float("nan"), 1e5])
def test_numbers_that_16_bits_cannot_hold(pictures, tmp_path, value):
    def encode(images):
        return torch.full((len(images), 4), value), torch.zeros(len(images), 4, 4)

    encoder = replace(Counting().frozen, encode=encode)
    with pytest.raises(InputError, match="pixels: gives NaN or numbers beyond"):
        run(pictures, encoder, tmp_path / "cache")
