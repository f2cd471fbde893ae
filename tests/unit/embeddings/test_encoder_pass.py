"""Images through an encoder: each sample's vectors in its place, whatever the batches."""

import numpy as np
import pytest
import torch

from meddino_components.embeddings import FrozenEncoder
from meddino_components.embeddings.encoder_pass import encoded
from meddino_components.errors import InputError


def encoder(batches, **settings):
    """The first pixel as vector, all pixels as patches; two levels where asked for."""

    def encode(images):
        batches.append(len(images))
        return images[:, 0, 0, :1], images.flatten(2).movedim(1, 2)

    return FrozenEncoder(name="pixels", encode=encode, patch_size=1, digest="d", **settings)


def samples(*lengths):
    numbers = iter(range(100))
    return [torch.stack([torch.full((1, 2, 2), float(next(numbers))) for _ in range(n)]) for n in lengths]


def test_batches_are_filled_across_samples_and_cut_from_long_ones():
    batches = []
    items = [*samples(1, 2), "torn", *[one + 3 for one in samples(5)]]
    found = list(encoded(items, encoder(batches), ["cls"], batch_size=3))
    assert batches == [3, 3, 2]
    assert [one if isinstance(one, str) else one["cls"][:, 0].tolist() for one in found] == [
        [0],
        [1, 2],
        "torn",
        [3, 4, 5, 6, 7],
    ]
    assert found[0]["cls"].dtype == np.float16


def test_each_kind_of_vector():
    image = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])
    made = encoder([], encode_levels=lambda images: torch.stack([images.flatten(2).movedim(1, 2)] * 2, 1))
    (found,) = encoded([image], made, ["cls", "mean_patch", "patches", "levels"], batch_size=4)
    assert found["cls"].tolist() == [[1]]
    assert found["mean_patch"].tolist() == [[3]]
    assert found["patches"].tolist() == [[[1], [2], [3], [6]]]
    assert found["levels"].shape == (1, 2, 4, 1)


def test_levels_alone_cost_no_second_pass():
    batches = []
    made = encoder(batches, encode_levels=lambda images: images.flatten(2).movedim(1, 2)[:, None])
    list(encoded(samples(2), made, ["levels"], batch_size=2))
    assert batches == []


def test_all_samples_are_torn():
    assert list(encoded(["a", "b"], encoder([]), ["cls"], batch_size=1)) == ["a", "b"]


@pytest.mark.parametrize("value", [float("nan"), 1e6])
def test_numbers_that_16_bits_cannot_hold(value):
    image = torch.full((1, 1, 2, 2), value)
    with pytest.raises(InputError, match=r"pixels: gives NaN or numbers beyond 65,504"):
        list(encoded([image], encoder([]), ["cls"], batch_size=1))
